"""Errors of the token endpoints; the wordings are from clients' reports (FIDELITY.md)."""

from __future__ import annotations

from meta_pipeline.simulator.api.errors import GraphError


def foreign_token() -> GraphError:
    return GraphError(
        "(#100) The App_id in the input_token did not match the Viewing App", code=100
    )


def used_code() -> GraphError:
    return GraphError("This authorization code has been used.", code=100, subcode=36009)


def expired_code() -> GraphError:
    return GraphError("This authorization code has expired.", code=100, subcode=36007)


def other_redirect() -> GraphError:
    return GraphError(
        "Error validating verification code. Please make sure your redirect_uri is "
        "identical to the one you used in the OAuth dialog request",
        code=100,
        subcode=36008,
    )


def no_part_in_business(business_id: str) -> GraphError:
    return GraphError(
        f"(#200) The token was not granted by business {business_id}", code=200, status=403
    )
