"""What the completion helper costs and saves, beside the bare SDK, an older rule, and LiteLLM."""
