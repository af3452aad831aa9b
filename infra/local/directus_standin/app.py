"""The routes of the stand-in."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import jwt
from flask import Flask, Response, g, jsonify, request, send_file

from infra.local.directus import accounts
from infra.local.directus_standin import query
from infra.local.directus_standin.home import ADMIN, BAD_CREDENTIALS, FORBIDDEN, Refusal, StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.directus_standin.store import Row


def _token(user: Row) -> str:
    issued = datetime.now(UTC)
    is_admin = user["role"] == ADMIN
    claims = {"id": user["id"], "role": str(uuid.uuid5(uuid.NAMESPACE_URL, user["role"])), "app_access": is_admin}
    claims |= {"admin_access": is_admin, "iat": issued, "exp": issued + timedelta(days=accounts.TOKEN_TTL_DAYS)}
    return jwt.encode({**claims, "iss": "directus"}, accounts.SECRET, "HS256")


def make_app(state: Path) -> Flask:
    """Return the WSGI application, with rows and files under `state`."""
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    home = StandIn(state)

    @app.before_request
    def identify() -> None:
        g.caller = home.caller()

    @app.errorhandler(Refusal)
    def refuse(error: Refusal) -> tuple[Response, int]:
        return jsonify(errors=[{"message": str(error), "extensions": {"code": error.code}}]), error.status

    @app.errorhandler(404)
    def unknown(_: Exception) -> tuple[Response, int]:
        message = f"Route {request.path} doesn't exist."
        return jsonify(errors=[{"message": message, "extensions": {"code": "ROUTE_NOT_FOUND"}}]), 404

    @app.after_request
    def share(answer: Response) -> Response:
        """Let pages of other origins call, as the local Directus does: CORS_ENABLED, CORS_ORIGIN."""
        answer.headers["Access-Control-Allow-Origin"] = request.headers.get("Origin", "*")
        answer.headers["Access-Control-Allow-Headers"] = "Content-Type, Authorization"
        answer.headers["Access-Control-Expose-Headers"] = "Content-Range"
        return answer

    @app.get("/server/ping")
    def ping() -> str:
        return "pong"

    @app.get("/server/info")
    def about() -> Response:
        return jsonify(data={"project": {"project_name": "Directus"}})  # no `uploads`: it has no tus

    _add_users(app, home)
    _add_files(app, home)
    _add_rows(app, home, "/items/<collection>", "")
    _add_rows(app, home, "/files", "directus_files")
    _add_rows(app, home, "/users", "directus_users")
    return app


def _add_users(app: Flask, home: StandIn) -> None:
    """Add login and the current user."""

    @app.post("/auth/login")
    def login() -> Response:
        body = request.get_json(silent=True) or {}
        if not body.get("email") or not body.get("password"):
            raise Refusal(400, "INVALID_PAYLOAD", 'Invalid payload. "email" and "password" are required.')
        for user in home.store.all("directus_users"):
            if user["email"] == body["email"] and user["password"] == body["password"] and user["status"] == "active":
                lifetime = accounts.TOKEN_TTL_DAYS * 86_400_000
                data = {"expires": lifetime, "refresh_token": uuid.uuid4().hex * 2, "access_token": _token(user)}
                return jsonify(data=data)
        raise Refusal(*BAD_CREDENTIALS)

    @app.get("/users/me")
    def me() -> Response:
        if g.caller is None:
            raise Refusal(*BAD_CREDENTIALS)
        rights = accounts.RIGHTS.get(g.caller["role"], {}).get("directus_users", ())
        whole = g.caller["role"] == ADMIN or "read" in rights
        fields = query.parse(request.args)["fields"] if "fields" in request.args else None
        return jsonify(data=home.shape("directus_users", g.caller, fields if whole else ["id"]))

    @app.get("/policies/me/globals")
    def rights() -> Response:
        is_admin = g.caller is not None and g.caller["role"] == ADMIN
        return jsonify(data={"app_access": is_admin, "admin_access": is_admin, "enforce_tfa": False})


def _add_files(app: Flask, home: StandIn) -> None:
    """Add upload and download of files."""

    @app.get("/assets/<key>")
    def asset(key: str) -> Response:
        home.allow("directus_files", "read")
        row = home.store.get("directus_files", key)
        if row is None:
            raise Refusal(*FORBIDDEN)
        return send_file(home.files / row["filename_disk"], mimetype=row["type"], conditional=True)

    @app.post("/files")
    def upload() -> Response:
        return jsonify(data=home.upload(home.allow("directus_files", "create")))


def _add_rows(app: Flask, home: StandIn, path: str, fixed: str) -> None:
    """Add the routes of a collection: list, create, update by query, and one row by its key."""

    def rows(collection: str = fixed) -> Response | tuple[str, int]:
        actions = {"GET": "read", "SEARCH": "read", "POST": "create", "PATCH": "update"}
        user = home.allow(collection, actions[request.method])
        if request.method == "GET":
            return jsonify(data=home.read(collection, query.parse(request.args)))
        body = request.get_json(silent=True)
        if body is None:
            raise Refusal(400, "INVALID_PAYLOAD", "Invalid payload. The body is not valid JSON.")
        if request.method == "POST":
            if isinstance(body, list):
                return jsonify(data=[home.create(collection, one, user) for one in body])
            return jsonify(data=home.create(collection, body, user))
        found = home.read(collection, {**body["query"], "fields": ["*"]})
        changed = [home.change(collection, row["id"], body["data"], user) for row in found]
        fields = query.parse(request.args).get("fields") or body["query"].get("fields")
        return jsonify(data=[home.shape(collection, row, fields) for row in changed])

    def row(key: str, collection: str = fixed) -> Response | tuple[str, int]:
        user = home.allow(collection, {"GET": "read", "PATCH": "update", "DELETE": "delete"}[request.method])
        found = home.store.get(collection, key)
        if found is None:
            raise Refusal(*FORBIDDEN)
        if request.method == "DELETE":
            home.remove_file(found) if collection == "directus_files" else home.store.delete(collection, key)
            return "", 204
        if request.method == "PATCH":
            found = home.change(collection, key, request.get_json(), user)
        return jsonify(data=home.shape(collection, found, query.parse(request.args).get("fields")))

    name = fixed or "items"
    methods = ["GET", "PATCH"] if fixed == "directus_files" else ["GET", "POST", "PATCH"]
    app.add_url_rule(path, f"{name}_rows", rows, methods=methods)
    app.add_url_rule(f"{path}/<key>", f"{name}_row", row, methods=["GET", "PATCH", "DELETE"])
