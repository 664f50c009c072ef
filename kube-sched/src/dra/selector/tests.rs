//! What a condition keeps of the devices that it was asked about.

use super::*;
use crate::dra::Attribute;

#[test]
fn a_condition_keeps_its_verdicts_and_not_the_devices() {
    let selector = DeviceSelector::new("x", |_: &str, device: &Device| Ok(device.attributes.is_empty()));
    let device = Arc::new(Device::new("gpu-0").attribute("example.com/index", Attribute::Int(3)));
    assert_eq!([selector.matches("d", &device), selector.matches("d", &device)], [Ok(false), Ok(false)]);
    assert_eq!(Arc::strong_count(&device), 1);
    drop(device);
    assert_eq!(selector.matches("d", &Arc::new(Device::new("gpu-0"))), Ok(true), "another device, another verdict");
}
