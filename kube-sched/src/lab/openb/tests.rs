//! The reader on good and bad files, the protocol, and a slice of the study small enough for every run of the tests.

use super::*;
use crate::model::{DEVICE_MILLI, GpuRequest};

const NODES: &str =
    "sn,cpu_milli,memory_mib,gpu,model\nn0,96000,393216,8,G2\nn1,104000,524288,2,T4\nn2,8000,61440,0,\n";
const PODS: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos\n\
                    p0,12000,16384,1,1000,,LS\np1,6000,12288,1,460,T4|G2,LS\np2,1000,1024,0,0,,BE\n";

/// A trace of the same shape as the real one: two kinds of nodes, and pods of seven shapes.
fn slice() -> OpenbTrace {
    let mut nodes = String::from("sn,cpu_milli,memory_mib,gpu,model\n");
    for i in 0..24 {
        let row = if i % 3 == 0 { "104000,524288,2,T4" } else { "96000,393216,8,G2" };
        nodes += &format!("n{i:02},{row}\n");
    }
    let shapes = [
        (3152, 1, 810, ""),
        (11300, 1, 1000, ""),
        (11908, 1, 470, ""),
        (3152, 1, 1000, "T4"),
        (4000, 1, 320, ""),
        (88000, 8, 1000, "G2"),
        (12500, 0, 0, ""),
        (11908, 1, 650, ""),
    ];
    let mut pods = String::from("name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n");
    for i in 0..180 {
        let (cpu, count, milli, spec) = shapes[if i % 29 == 0 { 5 } else { (i * 5 + i / 7) % 8 }];
        let (cpu, count, spec) = if count == 8 && i % 29 != 0 { (9810, 1, "") } else { (cpu, count, spec) };
        pods += &format!("p{i:03},{cpu},4096,{count},{milli},{spec}\n");
    }
    OpenbTrace::parse(&nodes, &pods).unwrap()
}

#[test]
fn a_trace_is_read_with_its_requests() {
    let trace = OpenbTrace::parse(NODES, PODS).unwrap();
    assert_eq!(trace.gpu_milli(), 10 * DEVICE_MILLI);
    assert_eq!(trace.pods[1].pod.gpu.as_deref(), Some(&GpuRequest::share(460).of(["T4", "G2"])));
    assert_eq!(trace.pods[2].pod.gpu, None);
    // Without gpu_spec, with CRLF and a byte order mark, and with times.
    let pods = "\u{feff}name,cpu_milli,memory_mib,num_gpu,gpu_milli,creation_time,deletion_time\r\np,1,1,1,1000,5,\r\n";
    let trace = OpenbTrace::parse(NODES, pods).unwrap();
    assert_eq!((trace.pods[0].created_seconds, trace.pods[0].deleted_seconds), (Some(5), None));
}

#[test]
fn a_bad_file_is_refused_with_line_and_column() {
    #[track_caller]
    fn check(nodes: &str, pods: &str, expected: &str) {
        assert_eq!(OpenbTrace::parse(nodes, pods).unwrap_err().to_string(), expected);
    }
    let header = PODS.lines().next().unwrap();
    let pods = |row: &str| format!("{header}\n{row}\n");
    check("", PODS, "the file of nodes: the file has no rows; expected a header and at least one row");
    check(
        NODES.lines().next().unwrap(),
        PODS,
        "the file of nodes: the file has no rows; expected a header and at least one row",
    );
    check(
        "sn,cpu_milli,gpu,model\nn,1,1,1\n",
        PODS,
        "the file of nodes: line 1: no column \"memory_mib\" in the header; this file of the trace needs sn, cpu_milli, memory_mib, gpu, model",
    );
    check(NODES, &pods("p,1,1,1,460,LS"), "the file of pods: line 2: 6 fields, but the header has 7");
    check(
        NODES,
        &pods("p,1,1,1,460,,LS\n\np,2,1,0,0,,LS"),
        "the file of pods: line 4, column 1 (name): \"p\" is already the name of an earlier row",
    );
    for (row, expected) in [
        ("p,x,1,1,460,,LS", "line 2, column 2 (cpu_milli): \"x\" is not an amount of CPU in thousandths of a core"),
        ("p,-1,1,1,460,,LS", "line 2, column 2 (cpu_milli): \"-1\" is not an amount of CPU in thousandths of a core"),
        ("p,1,,1,460,,LS", "line 2, column 3 (memory_mib): \"\" is not an amount of memory in MiB"),
        (
            "p,1,99999999999999999999,1,460,,LS",
            "line 2, column 3 (memory_mib): \"99999999999999999999\" is not an amount of memory in MiB",
        ),
        ("p,1,1,65,460,,LS", "line 2, column 4 (num_gpu): \"65\" is not a number of devices, 0 to 64"),
        ("p,1,1,1,0,,LS", "line 2, column 5 (gpu_milli): \"0\" is not a share of a device, 1 to 1000"),
        ("p,1,1,1,1001,,LS", "line 2, column 5 (gpu_milli): \"1001\" is not a share of a device, 1 to 1000"),
        (",1,1,1,460,,LS", "line 2, column 1 (name): \"\" is not a name"),
    ] {
        check(NODES, &pods(row), &format!("the file of pods: {expected}"));
    }
}

#[test]
fn pods_come_until_thirty_percent_too_much_is_asked_for() {
    let trace = slice();
    let wanted =
        |seed| trace.arrivals(seed).iter().filter_map(|pod| pod.gpu.clone()).map(|gpu| gpu.total_milli()).sum::<i64>();
    let most = trace.gpu_milli() * 13 / 10;
    for seed in 0..5 {
        // The next pod's share of one device would have passed the bound; an 8-GPU pod may overshoot by 7.
        assert!(wanted(seed) > most - DEVICE_MILLI && wanted(seed) <= most + 7 * DEVICE_MILLI);
    }
    assert_eq!(trace.arrivals(1), trace.arrivals(1));
    assert_ne!(trace.arrivals(1), trace.arrivals(2));
    let mut names: Vec<_> = trace.arrivals(3).iter().map(|pod| pod.uid.clone()).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn a_load_that_is_too_large_is_thinned() {
    let trace = OpenbTrace::parse("sn,cpu_milli,memory_mib,gpu,model\nn,64000,1,1,T4\n", PODS).unwrap();
    let wanted: i64 = trace.arrivals(0).iter().filter_map(|pod| pod.gpu.clone()).map(|gpu| gpu.total_milli()).sum();
    assert!(wanted <= 1300, "{wanted}");
}

#[test]
fn without_gpus_every_pod_comes_once() {
    let pods = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\na,1,1,0,0\nb,1,1,0,0\n";
    let run = OpenbTrace::parse(NODES, pods).unwrap().run(Policy::Fgd, 0, |_, _| {});
    assert_eq!((run.arrived, run.unplaced), (2, 0));
    assert_eq!(OpenbTrace::parse(NODES, pods).unwrap().arrivals(0).len(), 2);
}

#[test]
fn a_slice_of_the_study_comes_out_as_fixed() {
    let trace = slice();
    let mut found = String::new();
    for policy in Policy::ALL {
        let runs: Vec<_> = (0..3).map(|seed| trace.run(policy, seed, |_, _| {})).collect();
        found += &format!("{policy} {:.2}\n", allocated_at_100(&runs).mean);
    }
    let expected = "Random 67.81\nDotProd 90.96\nGpuClustering 90.80\nGpuPacking 92.42\nBestFit 92.81\nFGD 93.68\n\
                    GpuBalance 85.17\n";
    assert_eq!(found, expected);
}

#[test]
fn a_run_says_how_far_it_is_and_repeats() {
    let trace = slice();
    let mut last = (0, 0);
    let run = trace.run(Policy::BestFit, 7, |done, all| last = (done, all));
    assert_eq!(last, (run.arrived, run.arrived));
    assert_eq!(run, trace.run(Policy::BestFit, 7, |_, _| {}));
    assert!(run.allocated_at(100).unwrap() > 50.0);
    assert_eq!(OpenbRun::default().allocated_at(100), None);
}

#[test]
fn policies_are_found_by_name() {
    for policy in Policy::ALL {
        assert_eq!(policy.name().parse(), Ok(policy));
    }
    assert_eq!("06-FGD".parse(), Ok(Policy::Fgd));
    assert_eq!("fgd".parse(), Ok(Policy::Fgd));
    assert!("Best".parse::<Policy>().unwrap_err().to_string().contains("there are Random, DotProd"));
}

#[test]
fn published_means_are_read() {
    let text = "workload,policy,metric,mean_at_100,sd_at_100\nopenb_pod_list_default,06-FGD,alloc_pct,95.227,0.106\n\
                openb_pod_list_default,06-FGD,frag_ratio,1,2\n";
    let cells = parse_published(text).unwrap();
    assert_eq!(cells.len(), 1);
    assert_eq!((cells[0].workload.as_str(), cells[0].policy), ("default", Policy::Fgd));
    let bad = text.replace("95.227", "much");
    assert!(
        parse_published(&bad)
            .unwrap_err()
            .to_string()
            .contains("line 2, column 4 (mean_at_100): \"much\" is not a number")
    );
    let bad = text.replace("06-FGD,alloc", "07-New,alloc");
    assert!(parse_published(&bad).unwrap_err().to_string().contains("not a policy of the study"));
}

/// The whole of one workload: long, so on request only (`KUBEKIT_LONG=1`).
#[test]
fn the_default_workload_comes_out_as_published() {
    if std::env::var_os("KUBEKIT_LONG").is_none() {
        println!("skipped: set KUBEKIT_LONG=1, and KUBEKIT_DATA to the directory of shared data");
        return;
    }
    let data = std::env::var("KUBEKIT_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data").to_owned());
    let read = |name: &str| std::fs::read_to_string(format!("{data}/traces/openb/{name}")).unwrap();
    let trace = OpenbTrace::parse(&read("openb_node_list_gpu_node.csv"), &read("openb_pod_list_default.csv")).unwrap();
    let cells = parse_published(&read("expected_means.csv")).unwrap();
    let runs: Vec<_> = (0..3).map(|seed| trace.run(Policy::Fgd, seed, |_, _| {})).collect();
    let cell = cells.iter().find(|cell| cell.workload == "default" && cell.policy == Policy::Fgd).unwrap();
    assert!(allocated_at_100(&runs).distance(&cell.allocated_at_100).abs() < 4.0);
}
