//! Alarms, and the gateway.

use crate::document::Template;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The routes that are open whatever a family's callers have to show: hosts ask for a public key, monitors for health.
const OPEN_ROUTES: &[&str] = &["GET /v1/sys/health", "GET /v1/{mount}/public_key"];

#[test]
fn every_alarm_is_sent_and_every_metric_has_one() -> Result<()> {
    let template = Template::read()?;
    let alarms = template.all("AWS::CloudWatch::Alarm");
    for (name, alarm) in &alarms {
        assert_eq!(
            alarm["Properties"]["AlarmActions"],
            json!([{"Ref": "AlarmTopic"}]),
            "{name}"
        );
    }
    let has = |namespace: &str, metric: &str| {
        alarms.values().any(|alarm| {
            let properties = &alarm["Properties"];
            properties["Namespace"] == namespace && properties["MetricName"] == metric
        })
    };
    for (namespace, metric) in [
        ("AWS/ApiGateway", "5xx"),
        ("AWS/Lambda", "Throttles"),
        ("Countersign", "KmsErrors"),
        ("AWS/Events", "TriggeredRules"),
    ] {
        ensure!(has(namespace, metric), "{namespace} {metric}");
    }
    for function in template.functions().into_keys() {
        ensure!(
            alarms.contains_key(format!("{function}ThrottleAlarm").as_str()),
            "{function}"
        );
    }
    Ok(())
}

#[test]
fn the_gateway_throttles_logs_and_asks_who_calls() -> Result<()> {
    let template = Template::read()?;
    let stage = &template.all("AWS::ApiGatewayV2::Stage")["HttpStage"]["Properties"];
    for limit in ["ThrottlingBurstLimit", "ThrottlingRateLimit"] {
        assert_eq!(stage["DefaultRouteSettings"][limit], json!({"Ref": limit}));
    }
    let format = stage["AccessLogSettings"]["Format"]
        .as_str()
        .context("a format")?;
    let members: Value = serde_json::from_str(format).context("each line is JSON")?;
    ensure!(members["ip"] == "$context.identity.sourceIp" && members["status"] == "$context.status");
    ensure!(!format.contains("query"), "a query can hold a secret");
    for (name, route) in template.all("AWS::ApiGatewayV2::Route") {
        let properties = &route["Properties"];
        let family = properties["Target"]["Fn::Sub"]
            .as_str()
            .and_then(|target| {
                target
                    .strip_prefix("integrations/${")?
                    .strip_suffix("Integration}")
            })
            .with_context(|| format!("{name} leads nowhere"))?;
        if OPEN_ROUTES.contains(&properties["RouteKey"].as_str().unwrap()) {
            assert_eq!(properties["AuthorizationType"], "NONE", "{name}");
        } else {
            assert_eq!(
                properties["AuthorizationType"],
                json!({"Ref": format!("{family}Authorization")}),
                "{name}"
            );
        }
    }
    Ok(())
}
