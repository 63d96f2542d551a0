//! `run-job`.

use std::time::Duration;

use ensue_connect::kubernetes::Ask;
use serde_json::{Value, json};

use super::kubelet;
use crate::cluster::{Kit, with};

/// A job whose pod ends with this code.
fn job(ends: &str) -> Value {
    let template = json!({ "metadata": { "labels": { "ends": ends } }, "spec": { "restartPolicy": "Never",
        "nodeSelector": { "ensue.dev/test": "none" }, "containers": [{ "name": "main", "image": "task:1" }] } });
    json!({ "name": "task", "manifest": { "spec": { "backoffLimit": 0, "template": template } } })
}

async fn jobs(kit: &Kit) -> Vec<Value> {
    let all = kit.cluster.send(Ask::get(format!("/apis/batch/v1/namespaces/{}/jobs", kit.namespace))).await.unwrap();
    all["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_once_and_leaves_its_log_and_exit_code() {
    with("a_job_runs_once", |kit| async move {
        let _kubelet = kubelet(&kit);
        let run = kit.effect(1, "run-job", job("0"));
        let outputs = run.ok().await;
        assert_eq!((&outputs["exitCode"], &outputs["succeeded"]), (&json!(0), &json!(true)));
        if kit.fake.is_some() {
            assert_eq!(outputs["log"], "one\nends with 0\n");
            assert!(run.said().contains("ends with 0"), "{}", run.said());
        }
        // A repeated call gives the same answer.
        assert_eq!(run.ok().await, outputs);
        let all = jobs(&kit).await;
        assert_eq!(all.len(), 1);
        assert!(all[0]["metadata"]["name"].as_str().unwrap().starts_with("task-"));
        assert_eq!(all[0]["spec"]["ttlSecondsAfterFinished"], 3600);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_says_why_and_another_try_runs_it_again() {
    with("a_job_that_fails", |kit| async move {
        let _kubelet = kubelet(&kit);
        let mut run = kit.effect(1, "run-job", job("3"));
        let failure = run.err().await;
        assert_eq!((failure.name.as_str(), &failure.details["exitCode"]), ("StepFailed", &json!(3)));
        assert!(failure.message.contains("failed, exit code 3: BackoffLimitExceeded"), "{}", failure.message);
        let first = jobs(&kit).await[0]["metadata"]["uid"].clone();
        // The answer was lost: the same try again.
        assert_eq!(run.err().await.message, failure.message);
        assert_eq!(jobs(&kit).await[0]["metadata"]["uid"], first);
        run.call.attempt = 2;
        run.err().await;
        let all = jobs(&kit).await;
        assert_eq!(all.len(), 1);
        assert_ne!(all[0]["metadata"]["uid"], first);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_over_goes_when_it_is_kept_no_longer() {
    with("a_job_that_is_over", |kit| async move {
        let _kubelet = kubelet(&kit);
        let mut task = job("0");
        task["keep"] = json!("1s");
        kit.ok(1, "run-job", task).await;
        for _ in 0..400 {
            if jobs(&kit).await.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the job stays");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_waits_for_is_deleted() {
    with("a_job_that_nobody_waits_for", |kit| async move {
        let run = kit.effect(1, "run-job", job("never"));
        tokio::select! {
            answer = run.answer() => panic!("{answer:?}"),
            () = async { while jobs(&kit).await.is_empty() { tokio::time::sleep(Duration::from_millis(20)).await; } } => {}
        }
        for _ in 0..400 {
            if jobs(&kit).await.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the job stays");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cron_job_is_run_now() {
    with("a_cron_job_is_run_now", |kit| async move {
        let _kubelet = kubelet(&kit);
        let template = job("0")["manifest"].clone();
        let cron = json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "nightly" },
            "spec": { "schedule": "0 3 * * *", "suspend": true, "jobTemplate": template } });
        kit.create(&format!("/apis/batch/v1/namespaces/{}/cronjobs", kit.namespace), cron).await;
        let outputs = kit.ok(1, "run-job", json!({ "cronJob": "nightly", "name": "nightly" })).await;
        assert_eq!(outputs["exitCode"], 0);
        let made = jobs(&kit).await;
        assert_eq!(made[0]["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"], "manual");
        let failure = kit.err(2, "run-job", json!({})).await;
        assert!(failure.message.contains("one of `image`, `manifest` and `cronJob`"), "{}", failure.message);
    })
    .await;
}
