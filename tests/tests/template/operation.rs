//! Alarms, and the gateway.

use crate::{REPOSITORY, document::Template};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

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

/// The metrics that the functions write into their logs: their names, and what they are counted by.
fn emitted() -> Result<BTreeMap<String, Vec<String>>> {
    let text = fs::read_to_string(Path::new(REPOSITORY).join("shared/src/audit.rs"))?;
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut found = BTreeMap::new();
    for call in code.split("Directive::new(&[").skip(1) {
        let (dimensions, rest) = call.split_once("], ").context("a list of dimensions")?;
        let name = rest.split('"').nth(1).context("a name")?;
        let dimensions = dimensions
            .split(", ")
            .map(|dimension| dimension.trim_matches('"').to_owned());
        found.insert(name.to_owned(), dimensions.collect());
    }
    ensure!(found.len() == 4, "{found:?}");
    Ok(found)
}

#[test]
fn every_alarm_watches_a_metric_that_is_there() -> Result<()> {
    let template = Template::read()?;
    let emitted = emitted()?;
    for (name, alarm) in template.all("AWS::CloudWatch::Alarm") {
        let properties = &alarm["Properties"];
        let metric = properties["MetricName"].as_str().context("a metric")?;
        let expected = match properties["Namespace"].as_str().context("a namespace")? {
            "Countersign" => {
                assert_eq!(
                    emitted[metric],
                    ["Deployment"],
                    "{name}: it would need a value for each"
                );
                json!([{"Name": "Deployment", "Value": {"Ref": "TablePrefix"}}])
            }
            "AWS/Lambda" => {
                let functions = template.functions().into_keys();
                let function = functions
                    .filter(|function| name.starts_with(function))
                    .map(|function| format!("{function}Function"))
                    .next()
                    .with_context(|| format!("{name} names no function"))?;
                json!([{"Name": "FunctionName", "Value": {"Ref": function}}])
            }
            "AWS/ApiGateway" => json!([{"Name": "ApiId", "Value": {"Ref": "HttpApi"}}]),
            "AWS/Events" => json!([{"Name": "RuleName", "Value": {"Ref": "ForeignSignatures"}}]),
            other => anyhow::bail!("{name}: {other}"),
        };
        assert_eq!(properties["Dimensions"], expected, "{name}");
    }
    // `Deployment` is what the functions are told as their prefix.
    let variables = &template.0["Globals"]["Function"]["Environment"]["Variables"];
    assert_eq!(
        variables["COUNTERSIGN_TABLE_PREFIX"],
        json!({"Ref": "TablePrefix"})
    );
    let deployment = fs::read_to_string(Path::new(REPOSITORY).join("shared/src/deployment.rs"))?;
    ensure!(deployment.contains("MetricLog::new(&self.table_prefix)"));
    Ok(())
}

#[test]
fn the_dashboard_shows_metrics_that_are_there() -> Result<()> {
    let template = Template::read()?;
    let body = &template.all("AWS::CloudWatch::Dashboard")["Dashboard"]["Properties"]["DashboardBody"];
    let mut text = body["Fn::Sub"].as_str().context("a text")?.to_owned();
    for (variable, value) in [
        ("AWS::Region", "eu-central-1"),
        ("TablePrefix", "prod"),
        ("HttpApi", "a1b2"),
    ] {
        text = text.replace(&format!("${{{variable}}}"), value);
    }
    ensure!(!text.contains("${"), "{text}");
    let dashboard: Value = serde_json::from_str(&text).context("the body is JSON")?;
    let emitted = emitted()?;
    let mut shown = BTreeSet::new();
    for widget in dashboard["widgets"].as_array().context("widgets")? {
        for metric in widget["properties"]["metrics"].as_array().context("metrics")? {
            if let Some(expression) = metric[0]["expression"].as_str() {
                let name = expression.split("MetricName=\"").nth(1);
                let name = name.and_then(|rest| rest.split('"').next()).context("a name")?;
                let searched = format!(
                    "SEARCH('{{Countersign,{}}} Deployment=\"prod\" MetricName=\"{name}\"', 'Sum')",
                    emitted[name].join(",")
                );
                assert_eq!(expression, searched);
                shown.insert(name.to_owned());
            } else if metric[0] == "Countersign" {
                let name = metric[1].as_str().context("a name")?;
                assert_eq!(emitted[name], ["Deployment"], "{name}");
                assert_eq!((&metric[2], &metric[3]), (&json!("Deployment"), &json!("prod")));
                shown.insert(name.to_owned());
            } else {
                assert_eq!(metric[0], "AWS/ApiGateway");
                assert_eq!((&metric[2], &metric[3]), (&json!("ApiId"), &json!("a1b2")));
            }
        }
    }
    assert_eq!(shown, emitted.into_keys().collect(), "every metric is shown");
    Ok(())
}

/// The schedule calls it again within a minute, so it is not tried again; and it is noticed when it is not called.
#[test]
fn the_reaper_is_not_tried_again_and_its_silence_is_noticed() -> Result<()> {
    let template = Template::read()?;
    assert_eq!(
        template.functions()["Reaper"]["EventInvokeConfig"],
        json!({"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60})
    );
    let silence = &template.all("AWS::CloudWatch::Alarm")["ReaperSilenceAlarm"]["Properties"];
    for (member, expected) in [
        ("MetricName", json!("Invocations")),
        ("Period", json!(900)),
        ("Threshold", json!(1)),
        ("ComparisonOperator", json!("LessThanThreshold")),
        ("TreatMissingData", json!("breaching")),
    ] {
        assert_eq!(silence[member], expected, "{member}");
    }
    Ok(())
}

#[test]
fn what_needs_another_parameter_is_refused_without_it() -> Result<()> {
    let template = Template::read()?;
    for (rule, needed) in [
        (
            "DomainHasCertificate",
            json!({"Fn::Equals": [{"Ref": "CertificateArn"}, ""]}),
        ),
        ("JwtHasIssuer", json!({"Fn::Equals": [{"Ref": "JwtIssuer"}, ""]})),
    ] {
        let assertion = &template.0["Rules"][rule]["Assertions"][0]["Assert"];
        assert_eq!(*assertion, json!({"Fn::Not": [needed]}), "{rule}");
    }
    assert_eq!(
        template.0["Rules"]["DomainHasCertificate"]["RuleCondition"],
        json!({"Fn::Not": [{"Fn::Equals": [{"Ref": "DomainName"}, ""]}]})
    );
    let families = template.0["Parameters"].as_object().context("parameters")?.keys();
    let by_jwt: Vec<Value> = families
        .filter(|name| name.ends_with("Authorization"))
        .map(|name| json!({"Fn::Equals": [{"Ref": name}, "JWT"]}))
        .collect();
    let condition = template.0["Rules"]["JwtHasIssuer"]["RuleCondition"]["Fn::Or"].as_array();
    let condition = condition.context("any of several")?;
    ensure!(by_jwt.len() == condition.len() && by_jwt.iter().all(|one| condition.contains(one)));
    Ok(())
}
