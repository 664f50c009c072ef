//! What an operating system says of a process: CPU seconds and resident memory. Linux only; elsewhere figures are left out.

/// CPU seconds that a process has used, user and system, since it began.
pub(crate) fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name is in parentheses and may hold spaces: fields are counted from behind it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let user: f64 = fields.nth(11)?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    // USER_HZ is 100 on every architecture that Linux has.
    Some((user + system) / 100.0)
}

/// Resident memory of a process in MiB.
pub(crate) fn resident_mib(pid: u32) -> Option<f64> {
    memory_mib(pid, "VmRSS:")
}

/// The most resident memory that a process ever had, in MiB.
pub(crate) fn resident_peak_mib(pid: u32) -> Option<f64> {
    memory_mib(pid, "VmHWM:")
}

fn memory_mib(pid: u32, field: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}
