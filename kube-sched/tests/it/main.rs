//! Integration tests of the engine through its public face.

#[cfg(feature = "driver")]
mod devices;
#[cfg(feature = "driver")]
mod driver;
mod embed;
#[cfg(feature = "driver")]
mod extender_preemption;
#[cfg(feature = "driver")]
mod extenders;
#[cfg(feature = "driver")]
mod gangs;
mod oracle;
#[cfg(feature = "driver")]
mod permit;
#[cfg(feature = "driver")]
mod volumes;
