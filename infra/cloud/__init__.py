"""Deployment to AWS: the package, the template, and the deployment."""
