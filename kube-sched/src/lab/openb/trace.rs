//! The OpenB trace: nodes with GPUs, and pods that want shares of them.

use super::csv::{CsvError, Row, Table};
use crate::model::{DEVICE_MILLI, DEVICES_MAX, GpuRequest, Gpus, Node, Pod, Resources};
use std::collections::BTreeSet;

/// Bytes of a MiB.
const MIB: i64 = 1 << 20;
/// The most of anything that a row may name: sums over millions of rows stay far from the end of 64 bits.
const AMOUNT_MAX: i64 = 1 << 40;
/// Pods per node: the trace bounds them by nothing but their requests.
const PODS_PER_NODE: i64 = 1 << 20;

/// A cluster and the pods that come to it.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenbTrace {
    /// The nodes, in the order of the file.
    pub nodes: Vec<Node>,
    /// The pods, in the order of the file.
    pub pods: Vec<OpenbPod>,
}

/// A pod of the trace.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenbPod {
    /// The pod.
    pub pod: Pod,
    /// When it was created, in seconds from the start of the trace; absent in some workloads.
    pub created_seconds: Option<i64>,
    /// When it was deleted, in seconds from the start of the trace; absent in some workloads.
    pub deleted_seconds: Option<i64>,
}

impl OpenbTrace {
    /// From the texts of a file of nodes and a file of pods.
    ///
    /// # Errors
    /// Which file, line and column cannot be read, and why.
    pub fn parse(nodes: &str, pods: &str) -> Result<Self, OpenbError> {
        let nodes = parse_nodes(nodes).map_err(OpenbError::Nodes)?;
        let pods = parse_pods(pods).map_err(OpenbError::Pods)?;
        Ok(Self { nodes, pods })
    }

    /// All GPUs of the cluster, in thousandths.
    pub fn gpu_milli(&self) -> i64 {
        self.nodes.iter().map(|node| milli_of(node.gpus.count)).sum()
    }
}

/// Why a trace cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenbError {
    /// The nodes.
    #[error("the file of nodes: {0}")]
    Nodes(CsvError),
    /// The pods.
    #[error("the file of pods: {0}")]
    Pods(CsvError),
    /// The published results.
    #[error("the file of expected means: {0}")]
    Expected(CsvError),
}

fn parse_nodes(text: &str) -> Result<Vec<Node>, CsvError> {
    let table = Table::parse(text, &["sn", "cpu_milli", "memory_mib", "gpu", "model"])?;
    let mut seen = BTreeSet::new();
    table
        .rows()
        .map(|row| {
            let name = row.unique("sn", &mut seen)?;
            let devices =
                row.number("gpu", 0..=milli_of(DEVICES_MAX) / DEVICE_MILLI, "a number of devices, 0 to 64")?;
            let allocatable = resources(&row, PODS_PER_NODE)?;
            let gpus = Gpus::new(usize::try_from(devices).unwrap_or(0), row.text("model").unwrap_or_default());
            Ok(Node::new(name, allocatable).gpus(gpus))
        })
        .collect()
}

fn parse_pods(text: &str) -> Result<Vec<OpenbPod>, CsvError> {
    let table = Table::parse(text, &["name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"])?;
    let mut seen = BTreeSet::new();
    table
        .rows()
        .map(|row| {
            let name = row.unique("name", &mut seen)?;
            let mut pod = Pod::new(name).request(resources(&row, 0)?);
            if let Some(request) = gpu_request(&row)? {
                pod = pod.gpu(request);
            }
            let created_seconds = seconds(&row, "creation_time")?;
            let deleted_seconds = seconds(&row, "deletion_time")?;
            Ok(OpenbPod { pod, created_seconds, deleted_seconds })
        })
        .collect()
}

fn resources(row: &Row<'_>, pods: i64) -> Result<Resources, CsvError> {
    let cpu_milli = row.number("cpu_milli", 0..=AMOUNT_MAX, "an amount of CPU in thousandths of a core")?;
    let memory_mib = row.number("memory_mib", 0..=AMOUNT_MAX, "an amount of memory in MiB")?;
    Ok(Resources::new(cpu_milli, memory_mib.saturating_mul(MIB), pods))
}

fn gpu_request(row: &Row<'_>) -> Result<Option<GpuRequest>, CsvError> {
    let count = row.number("num_gpu", 0..=milli_of(DEVICES_MAX) / DEVICE_MILLI, "a number of devices, 0 to 64")?;
    if count == 0 {
        return Ok(None);
    }
    let milli = row.number("gpu_milli", 1..=DEVICE_MILLI, "a share of a device, 1 to 1000")?;
    let models = row.text("gpu_spec").unwrap_or_default().split('|').map(str::trim).filter(|model| !model.is_empty());
    let request = GpuRequest { count: usize::try_from(count).unwrap_or(0), milli, models: Vec::new() };
    Ok(Some(request.of(models)))
}

fn seconds(row: &Row<'_>, name: &'static str) -> Result<Option<i64>, CsvError> {
    match row.text(name) {
        None => Ok(None),
        Some(_) => row.number(name, 0..=AMOUNT_MAX, "a number of seconds").map(Some),
    }
}

/// Devices in thousandths.
pub(super) fn milli_of(devices: usize) -> i64 {
    i64::try_from(devices).unwrap_or(i64::MAX).saturating_mul(DEVICE_MILLI)
}
