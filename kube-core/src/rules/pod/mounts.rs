//! Errors of what a container mounts, as files or as block devices.

use super::security_field;
use super::volumes::Volumes;
use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{get, is_true, list, text};
use crate::rules::format;
use serde_json::Value;
use std::collections::BTreeSet;

/// Checks `volumeMounts` and `volumeDevices`.
pub(super) fn check(errors: &mut ErrorList, path: &Path, container: &Value, volumes: &Volumes<'_>) {
    let mounts = list(container, "volumeMounts");
    let devices = list(container, "volumeDevices");
    let path_mounts = || path.child("volumeMounts");
    let mut points = BTreeSet::new();
    for (index, mount) in mounts.iter().enumerate() {
        let all = path_mounts();
        let path = all.index(index);
        let (name, point) = (text(mount, "name"), text(mount, "mountPath"));
        format::check_present(errors, &path, mount, "name");
        let volume = volumes.get(name);
        if volume.is_none() {
            errors.push(Error::not_found(&path.child("name"), &name.into()));
        }
        format::check_present(errors, &path, mount, "mountPath");
        if !points.insert(point) {
            errors.push(Error::invalid(&path.child("mountPath"), &point.into(), "must be unique"));
        }
        if devices.iter().any(|device| text(device, "name") == name) {
            let text = "must not already exist in volumeDevices";
            errors.push(Error::invalid(&path.child("name"), &name.into(), text));
        }
        if devices.iter().any(|device| text(device, "devicePath") == point) {
            let text = "must not already exist as a path in volumeDevices";
            errors.push(Error::invalid(&path.child("mountPath"), &point.into(), text));
        }
        // These errors name the list, not the mount, as Kubernetes does.
        check_sub_path(errors, &all, &path, mount);
        check_propagation(errors, &all, mount, container);
    }
    check_devices(errors, path, devices, mounts, volumes);
}

fn check_sub_path(errors: &mut ErrorList, all: &Path, path: &Path, mount: &Value) {
    let (plain, expanded) = (text(mount, "subPath"), text(mount, "subPathExpr"));
    if !plain.is_empty() {
        format::check_descending(errors, &all.child("subPath"), plain);
    }
    if !expanded.is_empty() {
        if !plain.is_empty() {
            let text = "subPathExpr and subPath are mutually exclusive";
            errors.push(Error::invalid(&path.child("subPathExpr"), &expanded.into(), text));
        }
        format::check_descending(errors, &all.child("subPathExpr"), expanded);
    }
}

fn check_propagation(errors: &mut ErrorList, all: &Path, mount: &Value, container: &Value) {
    let modes = ["Bidirectional", "HostToContainer", "None"];
    format::check_optional(errors, all, mount, "mountPropagation", &modes);
    let mode = text(mount, "mountPropagation");
    let privileged = security_field(container, "privileged").and_then(Value::as_bool) == Some(true);
    if mode == "Bidirectional" && !privileged {
        errors.push(Error::forbidden(
            &all.child("mountPropagation"),
            "Bidirectional mount propagation is available only to privileged containers",
        ));
    }
    let recursive = ["Disabled", "Enabled", "IfPossible"];
    format::check_optional(errors, all, mount, "recursiveReadOnly", &recursive);
    if matches!(text(mount, "recursiveReadOnly"), "Enabled" | "IfPossible") {
        let path = all.child("recursiveReadOnly");
        if !is_true(mount, "readOnly") {
            errors.push(Error::forbidden(&path, "may only be specified when readOnly is true"));
        }
        if !matches!(mode, "" | "None") {
            let text = "may only be specified when mountPropagation is None or not specified";
            errors.push(Error::forbidden(&path, text));
        }
    }
}

fn check_devices(errors: &mut ErrorList, path: &Path, devices: &[Value], mounts: &[Value], volumes: &Volumes<'_>) {
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for (index, device) in devices.iter().enumerate() {
        let path = path.child("volumeDevices").index(index);
        let (name, point) = (text(device, "name"), text(device, "devicePath"));
        format::check_present(errors, &path, device, "name");
        if !name.is_empty() && !names.insert(name) {
            errors.push(Error::invalid(&path.child("name"), &name.into(), "must be unique"));
        }
        match volumes.get(name) {
            None => errors.push(Error::not_found(&path.child("name"), &name.into())),
            Some(volume) if get(volume, "persistentVolumeClaim").or(get(volume, "ephemeral")).is_none() => {
                let text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                errors.push(Error::invalid(&path.child("name"), &name.into(), text));
            }
            Some(_) => {}
        }
        format::check_present(errors, &path, device, "devicePath");
        if point.split('/').any(|element| element == "..") {
            let text = "can not contain backsteps ('..')";
            errors.push(Error::invalid(&path.child("devicePath"), &point.into(), text));
        } else if !paths.insert(point) {
            errors.push(Error::invalid(&path.child("devicePath"), &point.into(), "must be unique"));
        }
        if mounts.iter().any(|mount| text(mount, "name") == name) {
            let text = "must not already exist in volumeMounts";
            errors.push(Error::invalid(&path.child("name"), &name.into(), text));
        }
        if mounts.iter().any(|mount| text(mount, "mountPath") == point) {
            let text = "must not already exist as a path in volumeMounts";
            errors.push(Error::invalid(&path.child("devicePath"), &point.into(), text));
        }
    }
}
