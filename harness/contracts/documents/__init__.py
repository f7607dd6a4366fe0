"""API documents: by address, of a service, as baselines; read within limits into nodes. What they mean is elsewhere."""
