"""What becomes of a service whose store (database, broker, cache) is away; failures between services are in the room above."""
