"""mediaq on AWS: the package, the template, and what puts them there."""
