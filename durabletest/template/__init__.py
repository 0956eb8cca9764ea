"""Deployment templates: what SAM, CloudFormation or CDK say about the functions under test."""
