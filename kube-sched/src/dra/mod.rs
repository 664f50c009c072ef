//! Dynamic resource allocation with structured parameters (KEP-4381): devices that drivers publish, claims of pods on them,
//! and the search for devices that satisfy claims. Start reading at [`allocate`].

mod allocator;
mod capacity;
mod claim;
mod selector;
mod slice;

pub use allocator::{AllocationError, Pools, allocate};
pub(crate) use allocator::{KnownPools, can_allocate};
#[cfg(feature = "k8s")]
pub(crate) use capacity::qualified;
pub use capacity::{Amount, Amounts, Capacity, RequestPolicy, ValidAmounts};
pub use claim::{
    Allocation, Constraint, ConstraintRule, DeviceAmount, DeviceRequest, DeviceResult, ExactRequest, ResourceClaim,
};
pub use selector::{DevicePredicate, DeviceSelector};
pub use slice::{Attribute, CounterSet, Device, DeviceClass, DeviceTaint, DeviceToleration, NodeScope, ResourceSlice};
