"""What mediaq runs on: CloudFormation for AWS, and the same system on one machine."""
