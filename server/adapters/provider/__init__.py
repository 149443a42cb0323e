"""Model providers: OpenAI-compatible servers, the offline echo, retries, and the registry that names them."""
