#!/usr/bin/env bash
# Run by LocalStack when it is ready: deploys what target/lambda holds. localstack/up builds it, and deploys it anew.
set -euo pipefail
cd /countersign

compgen -G 'target/lambda/*/bootstrap.zip' >/dev/null || {
    echo "Countersign's functions are not built yet: run localstack/up"
    exit 0
}
case $(uname -m) in
    aarch64) architecture=arm64 ;;
    *) architecture=x86_64 ;;
esac
packaged=$(mktemp)
awslocal s3 mb s3://countersign-functions || true # it may be there from last time
awslocal cloudformation package --template-file infra/template.yaml --s3-bucket countersign-functions \
    --output-template-file "$packaged"
awslocal cloudformation deploy --template-file "$packaged" --stack-name countersign --capabilities CAPABILITY_IAM \
    --parameter-overrides Architecture="$architecture" TablePrefix=countersign
