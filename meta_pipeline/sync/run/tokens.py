"""What Meta says of the access token, and the note of it that everybody else reads."""

from __future__ import annotations

from meta_pipeline.graph import GraphClient, TokenInfo
from meta_pipeline.quality import missing_scopes
from meta_pipeline.sync.context import SyncContext
from meta_pipeline.warehouse import TokenRow


def look_at_token(context: SyncContext, client: GraphClient) -> TokenInfo:
    """Ask about the client's token, one call, and keep the answer in `token_health`.

    Raises GraphError when Meta says nothing about it; then what is kept stays.
    """
    info = client.debug_token(app_id=context.app_id)
    context.warehouse.tokens.save(
        TokenRow(
            token_key=client.token_key,
            app_id=info.app_id or context.app_id,
            token_type=info.type,
            is_valid=info.is_valid,
            expires_at=info.expires_at,
            data_access_expires_at=info.data_access_expires_at,
            scopes=sorted(info.scopes),
            missing_scopes=missing_scopes(info.scopes) if info.is_valid else [],
            problem=None if info.error is None else str(info.error),
            checked_at=context.clock(),
        )
    )
    return info
