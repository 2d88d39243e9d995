"""The application under `/v1`: its document, its page, its health, and the routes of programs."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse

from meta_pipeline.discreet import DiscreetModel
from meta_pipeline.facts.fact import Fact
from meta_pipeline.metrics import UnknownName
from meta_pipeline.web.bounds import MOST_OF_A_QUESTION_BYTES, BodyLimit
from meta_pipeline.web.rendering import templates
from meta_pipeline.web.site import Site, site_of

from .accounts import accounts
from .advice import advice
from .ask import questions
from .caller import Rates
from .etags import ETags
from .facts import facts
from .metrics import metrics
from .problems import CODES, HANDLERS, MEDIA_TYPE
from .syncs import syncs

PATH = "/v1"
_ABOUT = """Ad accounts, their entities and numbers, advice, syncs, facts of your own, as one tenant
sees them. Send a key as `Authorization: Bearer mp_...`; `meta-pipeline api-keys create` makes one.
Errors are `application/problem+json` with a `code` and a sentence that says what to do."""
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": list(CODES)},
        "detail": {"type": "string"},
    },
}
health = APIRouter(tags=["health"])


class Health(DiscreetModel):
    """Whether the API can answer."""

    status: Literal["ok"]
    is_simulated: bool


@health.get("/health")
def show_health(request: Request) -> Health:
    """Say whether the database answers; takes no key. 503 where it does not."""
    site = site_of(request)
    with site.warehouse.connection() as connection:
        connection.execute("SELECT FROM meta_ads.schema_version")
    return Health(status="ok", is_simulated=site.settings.is_simulated)


def api(site: Site) -> FastAPI:
    """The application of `site` under `/v1`."""
    made = FastAPI(
        title="meta_pipeline",
        # The API's own. It is read without a key, and whoever looks for a hole is not told which
        # version of the package to look up.
        version="1",
        description=_ABOUT,
        servers=[{"url": PATH}],
        root_path_in_servers=False,
        # FastAPI's own pages take their scripts from elsewhere, which our headers forbid.
        docs_url=None,
        redoc_url=None,
        # A redirect loses the body of a POST in many clients; a 404 says what is wrong.
        redirect_slashes=False,
        middleware=[
            Middleware(BodyLimit, most_bytes=MOST_OF_A_QUESTION_BYTES, but=[f"{PATH}/facts"]),
            Middleware(ETags),
        ],
        dependencies=[Depends(_refuse_unknown_parameters)],
        exception_handlers=dict(HANDLERS),
        responses={
            "default": {
                "description": "What went wrong",
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
        },
    )
    made.state.site = site
    made.state.rates = Rates(site.settings.api_requests_per_minute)
    for router in (health, accounts, metrics, questions, advice, syncs, facts):
        made.include_router(router)
    made.openapi = lambda: _document(made)  # type: ignore[method-assign]
    made.add_api_route("/docs", _page, include_in_schema=False)
    return made


def _refuse_unknown_parameters(request: Request) -> None:
    """A filter that is misspelled would be no filter: the answer is about more than was asked."""
    paths = _document(request.app)["paths"]
    operations = paths.get(request.scope["route"].path)
    if operations is None:
        return
    parameters = operations[request.method.lower()].get("parameters", ())
    known = {one["name"] for one in parameters if one["in"] == "query"}
    for name in request.query_params:
        if name not in known:
            raise UnknownName("parameter", name, known)


def _document(made: FastAPI) -> dict[str, Any]:
    if made.openapi_schema is None:
        document = get_openapi(
            title=made.title,
            version=made.version,
            description=made.description,
            routes=made.routes,
            servers=made.servers,
        )
        schemas = document["components"]["schemas"]
        of_fact = Fact.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= {"Problem": _PROBLEM, "Fact": of_fact}
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for operations in document["paths"].values():
            for operation in operations.values():
                # FastAPI describes its own form of errors, which is never sent here.
                operation["responses"].pop("422", None)
        made.openapi_schema = document
    return made.openapi_schema


def _page(request: Request) -> HTMLResponse:
    """The document for people: every operation with what it takes and gives."""
    document = _document(request.app)
    template = templates().get_template("api.html")
    return HTMLResponse(template.render(document=document, codes=CODES))
