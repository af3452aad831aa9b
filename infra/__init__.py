"""Where mediaq runs: CloudFormation for AWS, and the same system on one machine."""
