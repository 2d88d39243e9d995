"""The web application: where it is reached, and who gets in."""

from __future__ import annotations

from ipaddress import ip_network

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from meta_pipeline.credentials import is_loopback, split_address


class WebSettings(BaseSettings, defer_build=True, hide_input_in_errors=True):
    """Who may open `meta-pipeline web`; on this machine's own address a one-time link will do."""

    web_url: str | None = Field(
        None,
        validation_alias=AliasChoices("META_WEB_URL"),
        description="Address people open the web application at, such as https://ads.example.com",
    )
    web_secret: SecretStr | None = Field(
        None,
        # Whoever guesses it signs sessions of anybody: 32 characters are out of reach.
        min_length=32,
        validation_alias=AliasChoices("META_WEB_SECRET"),
        description="Signs sessions of the web application; the same for all its processes. "
        "Without it one is kept in a file beside the data",
    )
    mcp_token: SecretStr | None = Field(
        None,
        min_length=32,
        validation_alias=AliasChoices("META_MCP_TOKEN"),
        description="Bearer token of every request to `meta-pipeline mcp --http`",
    )
    web_oidc_issuer: str | None = Field(
        None,
        validation_alias=AliasChoices("META_WEB_OIDC_ISSUER"),
        description="Issuer of OpenID Connect that says who a visitor is",
    )
    web_oidc_client_id: str | None = Field(
        None,
        validation_alias=AliasChoices("META_WEB_OIDC_CLIENT_ID"),
        description="Client id of the web application at the issuer",
    )
    web_oidc_client_secret: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("META_WEB_OIDC_CLIENT_SECRET"),
        description="Client secret of the web application at the issuer",
    )
    web_proxy_header: str | None = Field(
        None,
        pattern=r"^[A-Za-z][A-Za-z0-9-]*$",
        validation_alias=AliasChoices("META_WEB_PROXY_HEADER"),
        description="Header in which a trusted reverse proxy says who the visitor is",
    )
    web_proxy_addresses: str = Field(
        "",
        validation_alias=AliasChoices("META_WEB_PROXY_ADDRESSES"),
        description="Addresses of the reverse proxies that are trusted to say who comes, or from "
        "where (X-Forwarded-For), such as 10.0.0.5,fd00::/64",
    )
    web_proxy_secret: SecretStr | None = Field(
        None,
        # Whoever guesses it is whom they like.
        min_length=32,
        validation_alias=AliasChoices("META_WEB_PROXY_SECRET"),
        description="What the reverse proxy sends with each request in X-Proxy-Secret, so that "
        "nobody else at its address is believed; needed where that is this machine's own",
    )
    web_admins: str = Field(
        "",
        validation_alias=AliasChoices("META_WEB_ADMINS"),
        description="Who is an administrator of the web application whatever the members say: "
        "e-mail addresses or user names, with commas",
    )

    api_requests_per_minute: int = Field(
        600,
        ge=1,
        validation_alias=AliasChoices("META_API_REQUESTS_PER_MINUTE"),
        description="Requests an API key may make a minute, of each process of the web application",
    )
    api_facts_per_tenant: int = Field(
        10_000_000,
        ge=1,
        validation_alias=AliasChoices("META_API_FACTS_PER_TENANT"),
        description="About how many facts are kept of a tenant; its programs can send no more",
    )
    webhook_verify_token: SecretStr | None = Field(
        None,
        min_length=16,
        validation_alias=AliasChoices("META_WEBHOOK_VERIFY_TOKEN"),
        description="Text of one's own by which Meta and the webhook know each other",
    )
    webhook_quiet_seconds: float = Field(
        5,
        ge=0,
        le=600,
        validation_alias=AliasChoices("META_WEBHOOK_QUIET_SECONDS"),
        description="Seconds without a further change after which an account's changes are read",
    )

    @field_validator("web_url", "web_oidc_issuer")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = split_address(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("is not an address such as https://ads.example.com")
        return value.rstrip("/")

    @field_validator("web_oidc_issuer")
    @classmethod
    def _is_encrypted(cls, value: str | None) -> str | None:
        # It says who is an administrator: whoever is on the way could be anybody.
        parts = split_address(value or "")
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError(
                "would have its word and our secret read and changed on the way: write https://"
            )
        return value

    @field_validator("web_proxy_addresses")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for one in filter(None, map(str.strip, value.split(","))):
            try:
                ip_network(one)
            except ValueError:
                raise ValueError(
                    "is not a list of addresses or networks such as 10.0.0.5,fd00::/64"
                ) from None
        return value
