"""What a job is: operations, parameters, presets, plans, requests, responses. No I/O."""
