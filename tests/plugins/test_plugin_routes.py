"""What the plugin answers to whom, on a real Airflow."""

import httpx
import pytest

pytestmark = [pytest.mark.slow]

ROUTES = (
    "/imprimatur/models",
    "/imprimatur/models/flight_delays",
    "/imprimatur/models/flight_delays/lint",
    "/imprimatur/runs/flight_delays/manual",
    "/imprimatur/static/models.js",
)


@pytest.fixture
def admin(installation):
    with installation.log_in("admin") as client:
        yield client


def get(client, path, status=httpx.codes.OK):
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize("route", ROUTES)
def test_nobody_is_answered_who_is_not_logged_in(installation, route):
    with installation.log_in("") as anonymous:
        assert anonymous.get(route).status_code == httpx.codes.UNAUTHORIZED


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("user", ["admin", "vic"])
def test_whoever_may_read_is_answered(installation, route, user):
    with installation.log_in(user) as client:
        assert client.get(route).status_code == httpx.codes.OK


def test_the_plugin_is_loaded_without_an_error(admin):
    assert get(admin, "/api/v2/plugins/importErrors")["import_errors"] == []
    plugins = {plugin["name"]: plugin for plugin in get(admin, "/api/v2/plugins")["plugins"]}
    apps = plugins["imprimatur"]["react_apps"]
    assert [app["destination"] for app in apps] == ["nav", "dag", "dag_run"]


def test_all_models_are_listed_and_what_cannot_be_read_is_named(admin):
    models = {model["name"]: model for model in get(admin, "/imprimatur/models")["models"]}
    assert sorted(models) == ["damaged", "flight_delays", "from_tfx", "secret"]
    assert "is damaged" in models["damaged"]["problems"][0]
    assert models["flight_delays"]["live_version"] == "20130301000000"
    assert models["flight_delays"]["hold"]["by"] == "ada"


def test_a_model_is_shown_with_its_versions_and_what_the_user_may_do(installation):
    for user, allowed in (("admin", True), ("vic", False)):
        with installation.log_in(user) as client:
            shown = get(client, "/imprimatur/models/flight_delays")
        versions = shown["page"]["versions"]
        assert [version["fate"] for version in versions] == ["withdrawn", "live", "kept"]
        assert {action["allowed"] for action in shown["actions"].values()} == {allowed}


@pytest.mark.parametrize("name", ["absent", "%2e%2e", "flight_delays%2f..", "a%00b"])
def test_a_model_that_is_not_there_is_not_found(admin, name):
    assert admin.get(f"/imprimatur/models/{name}").status_code == httpx.codes.NOT_FOUND


@pytest.mark.parametrize("name", ["__init__.py", "..%2fapplication.py", "absent.js"])
def test_only_the_views_scripts_are_served(admin, name):
    answer = admin.get(f"/imprimatur/static/{name}")
    assert answer.status_code == httpx.codes.NOT_FOUND


@pytest.mark.parametrize("query", ["offset=-1", "limit=0", "limit=201", "limit=x"])
def test_a_page_out_of_range_is_refused(admin, query):
    answer = admin.get(f"/imprimatur/models/flight_delays?{query}")
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY


def test_nothing_can_be_written(admin):
    for route in ROUTES:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert admin.request(method, route).status_code == httpx.codes.METHOD_NOT_ALLOWED
