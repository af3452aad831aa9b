"""HTTP: routes, the shape of errors, the OpenAPI description and the dashboard page."""
