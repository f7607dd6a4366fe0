'''What the seven services share; nothing in here knows the business of any of them. One thing per module.

A complete tiny service, `target_system/greeter/app.py`:

    class Greeting(Reply):
        """A greeting."""

        name: Identifier
        text: str

    metadata = MetaData()
    greetings = Table("greetings", metadata, Column("name", String(64), primary_key=True), Column("text", Text))
    router = Router()

    class Greeter:                                       # the domain: owns the tables, raises Problem
        def __init__(self, store: Store) -> None:
            self.store = store

        async def greet(self, name: str) -> Greeting:
            async with self.store.read() as connection:  # store.write() for a transaction that changes something
                row = (await connection.execute(select(greetings).where(greetings.c.name == name))).one_or_none()
            if row is None:
                raise Problem(404, "greeting-not-found", f"Nobody greets {name}.")
            return Greeting(name=row.name, text=row.text)

    def the_greeter(request: Request) -> Greeter:
        return cast(Greeter, request.app.state.domain)

    @router.get("/greetings/{name}", responses=problems(_404="Nobody greets this name."))
    async def greet(name: Identifier, greeter: Annotated[Greeter, Depends(the_greeter)]) -> Greeting:
        """Return the greeting of a name."""
        return await greeter.greet(name)

    def build(settings: Settings) -> FastAPI:
        store = Store(settings.database_url, metadata)
        return create_app(
            settings, title="Greeter", description="Greets.", router=router, domain=Greeter(store), store=store,
            resources=[],                                # also opened at start: neighbours, relay(...), seeding
            states={"somebody is greeted": set_up},      # async def set_up(params: dict[str, JsonValue]) -> None
        )

and `__main__.py`:

    from target_system.greeter.app import build
    from target_system.kit.app import serve

    serve("greeter", build)

Request bodies are `Strict`, answers `Reply`, what clients read `Tolerant` (models.py). The kit declares and answers
400, 404, 405, 413, 415, 422, 500, 503 as problem documents for every operation that can have them, adds traceparent,
metrics and logs, and sheds load; a route declares only its own problems. Calls to neighbours: client.py; events:
outbox.py (`Outbox.publish` inside `store.write()`, `relay(outbox, store, settings.event_sinks)` among the resources).
'''

__all__: list[str] = []
