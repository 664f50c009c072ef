//! Generated loads: repeatable, of the rate that was asked for, and independent of each other's settings.

use super::*;

#[test]
fn a_seed_decides_everything() {
    let generator = Generator::default();
    assert_eq!(generator.scenario(3), generator.scenario(3));
    assert_ne!(generator.scenario(3).jobs, generator.scenario(4).jobs);
}

#[test]
fn arrivals_have_the_rate_that_was_asked_for() {
    let generator =
        Generator { arrivals_per_minute: 10.0, horizon: Duration::from_secs(36_000), ..Generator::default() };
    let jobs = generator.scenario(1).jobs;
    // 6,000 expected, standard deviation 77.
    assert!((5_700..6_300).contains(&jobs.len()), "{}", jobs.len());
    assert!(jobs.windows(2).all(|pair| pair[0].arrives <= pair[1].arrives));
    let first = jobs.iter().filter(|job| &*job.pod.namespace == "tenant-0").count();
    // 1 of 1 + 1/2 + 1/3 + 1/4.
    assert!((2_700..3_060).contains(&first), "{first}");
}

#[test]
fn failures_leave_arrivals_alone() {
    let with = Generator::default();
    let without = Generator { failure_mean: None, ..Generator::default() };
    assert_eq!(with.scenario(5).jobs, without.scenario(5).jobs);
    assert!(without.scenario(5).outages.is_empty());
    assert!(with.scenario(5).outages.iter().all(|outage| outage.from < outage.until));
}

#[test]
fn a_load_of_nothing_is_no_load() {
    for generator in [
        Generator { shapes: Vec::new(), ..Generator::default() },
        Generator { arrivals_per_minute: 0.0, ..Generator::default() },
        Generator { horizon: Duration::ZERO, ..Generator::default() },
    ] {
        assert!(generator.scenario(1).jobs.is_empty());
    }
}

#[test]
fn a_trace_is_pressed_into_the_time_there_is() {
    let nodes = "sn,cpu_milli,memory_mib,gpu,model\nn,64000,1000,2,T4\n";
    let pods = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,creation_time,deletion_time\na,1,1,0,0,0,500\nb,1,1,0,0,500,1000\nc,1,1,0,0,100,\n";
    let trace = OpenbTrace::parse(nodes, pods).unwrap();
    let scenario = trace.scenario("t", Duration::from_secs(100), 1.0, 0);
    let times: Vec<_> =
        scenario.jobs.iter().map(|job| (job.arrives.as_secs(), job.runs.map(|runs| runs.as_secs()))).collect();
    assert_eq!(times, [(0, Some(50)), (50, Some(50)), (10, None)]);
    assert!(trace.scenario("t", Duration::from_secs(100), 0.0, 0).jobs.is_empty());
}
