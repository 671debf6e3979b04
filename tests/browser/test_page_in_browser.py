"""The local cloud's page in a real browser, on a cloud without guests.

Nothing is timed: what comes is waited for, and what must not be is counted.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from tests.api.localcloud.api_client import SLB, Api
from tests.browsers import NETWORK_CHANGED, PATIENCE_MS, chromium, go_to, visit

TOKEN = "a-token-of-the-test"
PARTS = ("instances", "network", "requests", "faults", "resources", "clusters")
AXE = Path(sys.prefix, "axe-core", "axe.min.js")

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[EmbeddedCloud]:
    with embedded_cloud(tmp_path / "cloud", page_token=TOKEN) as running:
        yield running


@pytest.fixture
def api(cloud: EmbeddedCloud) -> Api:
    return Api(cloud)


def opened(
    browser: Browser, cloud: EmbeddedCloud, wrong: list[str] | None = None, **context: Any
) -> Page:
    """Open the page as somebody would who has its address; ``wrong`` gets what goes wrong in it."""
    page = browser.new_context(**context).new_page()
    page.set_default_timeout(PATIENCE_MS)
    found = [] if wrong is None else wrong

    def said(message: ConsoleMessage) -> None:
        if message.type == "error" and NETWORK_CHANGED not in message.text:
            found.append(message.text)

    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", said)
    page.on("dialog", lambda dialog: found.append(f"dialog {dialog.message}"))
    visit(page, f"{cloud.endpoint}/_ecsmachine/page/?token={TOKEN}")
    return page


@pytest.fixture
def wrong() -> list[str]:
    """What has gone wrong in the page of the test; in the end nothing."""
    return []


@pytest.fixture
def page(browser: Browser, cloud: EmbeddedCloud, wrong: list[str]) -> Iterator[Page]:
    shown = opened(browser, cloud, wrong)
    yield shown
    assert wrong == []
    shown.context.close()


def run(api: Api, group: str, name: str = "web1", **more: Any) -> str:
    values = {**api.base(group), "InstanceName": name, **more}
    made: str = api.call("RunInstances", values)["InstanceIdSets"]["InstanceIdSet"][0]
    return made


def row(page: Page, name: str) -> Any:
    return page.locator(".instances > li").filter(has_text=name)


def test_what_is_made_appears_and_goes(page: Page, api: Api) -> None:
    assert "token" not in page.url
    expect(page.locator(".empty")).to_contain_text("ecsmachine create -d aliyunecs")
    made = run(api, api.group())
    expect(row(page, "web1").locator(".badge")).to_have_text("Running")
    expect(page.locator(".empty").first).to_be_hidden()
    api.call("StopInstance", InstanceId=made)
    expect(row(page, "web1").locator(".badge")).to_have_text("Stopped")
    api.call("DeleteInstance", InstanceId=made)
    expect(row(page, "web1")).to_have_count(0)


def test_a_page_whose_script_was_broken_off_loads_itself_anew(
    browser: Browser, cloud: EmbeddedCloud
) -> None:
    page = browser.new_context().new_page()
    page.route("**/static/network.js", lambda route: route.abort("failed"), times=1)
    page.goto(f"{cloud.endpoint}/_ecsmachine/page/?token={TOKEN}")
    page.locator("[data-link=live]").wait_for(timeout=PATIENCE_MS)
    page.context.close()


def test_an_instance_by_keyboard(page: Page, api: Api) -> None:
    run(api, api.group("the-group"))
    row(page, "web1").wait_for()
    page.locator("nav a").last.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    panel = page.locator(".panel")
    expect(panel.locator("h2")).to_be_focused()
    expect(panel).to_contain_text("the-group")
    expect(panel.locator(".console")).to_have_text("The console is empty.")
    panel.locator("button.list").press("Enter")
    expect(panel).to_contain_text("--guests none")
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(row(page, "web1").locator("button")).to_be_focused()


def test_a_second_browser_follows(browser: Browser, page: Page, cloud: EmbeddedCloud) -> None:
    api = Api(cloud)
    second = opened(browser, cloud)
    run(api, api.group(), "seen-by-both")
    for each in (page, second):
        expect(row(each, "seen-by-both").locator(".badge")).to_have_text("Running")
    second.context.close()


def test_a_wrong_token_sees_nothing(browser: Browser, cloud: EmbeddedCloud) -> None:
    api = Api(cloud)
    run(api, api.group(), "hidden-name")
    with browser.new_context() as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        for query in ("", "?token=wrong"):
            answer = page.goto(f"{cloud.endpoint}/_ecsmachine/page/{query}")
            assert answer is not None
            assert answer.status == 401
            assert "hidden-name" not in page.content()
            assert page.locator("script").count() == 0


def test_a_fault_is_set_strikes_and_goes(page: Page, api: Api, wrong: list[str]) -> None:
    go_to(page, "faults")
    page.locator("#kind").select_option("error")
    page.locator('input[name="action"]').fill("DescribeVpcs")
    page.get_by_role("button", name="Set fault").click()
    expect(page.locator(".problem")).to_contain_text("code")  # which was left out
    assert "400" in wrong.pop()
    page.locator('input[name="code"]').fill("InternalError")
    page.locator('input[name="times"]').fill("2")
    page.get_by_role("button", name="Set fault").click()
    fault = page.locator(".faults > li")
    expect(fault.locator(".struck")).to_have_text("struck 0 times")
    assert api.refusal("DescribeVpcs") == "500 InternalError"
    expect(fault.locator(".struck")).to_have_text("struck 1 times")
    fault.get_by_role("button").click()
    expect(fault).to_have_count(0)
    assert api.call("DescribeVpcs")["TotalCount"] == 1


def test_a_closed_port_is_found_by_the_picture(page: Page, api: Api) -> None:
    clients, servers = api.group("clients"), api.group("servers")
    for group, name in ((clients, "client"), (servers, "server")):
        api.wait(run(api, group, name), "Running")
    go_to(page, "network")
    for name in ("client", "server"):
        page.locator(".chip").filter(has_text=name).click()
    answer = page.locator(".answer")
    expect(answer).to_contain_text("No, A cannot reach B.")
    expect(answer).to_contain_text("Into B: no rule allows it")
    expect(page.locator("path.way.closed")).to_have_count(1)
    api.call(
        "AuthorizeSecurityGroup",
        SecurityGroupId=servers,
        IpProtocol="tcp",
        PortRange="2376/2376",
        SourceGroupId=clients,
        Description="the engine",
    )
    expect(answer).to_contain_text("Yes, A can reach B.")
    expect(answer).to_contain_text("TCP 2376/2376 inbound from clients")
    expect(page.locator("path.way.open")).to_have_count(1)
    page.locator("#port").fill("2377")
    page.get_by_role("button", name="Ask").click()
    expect(answer).to_contain_text("No, A cannot reach B.")


def test_a_balancer_leads_to_the_instance_of_an_interface(page: Page, api: Api) -> None:
    group = api.group("served")
    instance_id = run(api, group, "served")
    api.wait(instance_id, "Running")
    place = {"VSwitchId": api.cloud.state.default_vswitch_id}
    made = api.call("CreateNetworkInterface", {"SecurityGroupId": group, **place})
    eni = {"NetworkInterfaceId": made["NetworkInterfaceId"]}
    balancer = api.call("CreateLoadBalancer", place, version=SLB)["LoadBalancerId"]
    server = [{"ServerId": made["NetworkInterfaceId"], "Type": "eni"}]
    servers = {"LoadBalancerId": balancer, "BackendServers": json.dumps(server)}
    api.call("AddBackendServers", servers, version=SLB)
    go_to(page, "network")
    expect(page.locator(".chip").filter(has_text="served")).to_have_count(1)
    expect(page.locator("path.leads")).to_have_count(0)
    api.call("AttachNetworkInterface", InstanceId=instance_id, **eni)
    expect(page.locator("path.leads")).to_have_count(1)


def test_requests_are_filtered_and_copied(browser: Browser, cloud: EmbeddedCloud) -> None:
    api = Api(cloud)
    page = opened(browser, cloud, permissions=["clipboard-read", "clipboard-write"])
    go_to(page, "requests")
    api.call("DescribeVpcs")
    api.refusal("StartInstance", InstanceId="i-nothing")
    api.refusal("DescribeNatGateways")
    rows = page.locator(".requests > li")
    expect(rows).to_have_count(3)
    page.get_by_role("searchbox").fill("i-nothing")
    expect(rows).to_have_count(1)
    page.get_by_role("searchbox").fill("")
    page.get_by_role("combobox").select_option("missing")
    expect(rows).to_contain_text("not implemented: DescribeNatGateways")
    page.get_by_role("combobox").select_option("done")
    rows.get_by_role("button").click()
    expect(page.locator(".panel h2")).to_have_text("DescribeVpcs #1")
    page.get_by_text("As curl").click()
    page.locator("details").filter(has_text="As curl").get_by_role("button").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith('query="AccessKeyId=$ECS_ACCESS_KEY_ID&Action=DescribeVpcs')
    page.context.close()


HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
RIGHT_TO_LEFT = "\u202eשרת"


def test_names_are_never_html(page: Page, api: Api) -> None:
    group = api.group("web")
    tags = {"Tag.1.Key": HOSTILE, "Tag.1.Value": f"{HOSTILE}{RIGHT_TO_LEFT}"}
    run(api, group, "שרת-ראשי", Description=HOSTILE, **tags)
    rule = {"IpProtocol": "tcp", "PortRange": "1/2", "SourceCidrIp": "0.0.0.0/0"}
    api.call("AuthorizeSecurityGroup", {"SecurityGroupId": group, **rule, "Description": HOSTILE})
    page.evaluate("document.addEventListener('securitypolicyviolation', () => alert('policy'))")
    row(page, "שרת").get_by_role("button").click()
    expect(page.locator(".panel .tag")).to_contain_text(HOSTILE)
    assert page.locator(".panel bdi").count() > 3  # whose direction stays inside
    for part in PARTS[1:]:
        go_to(page, part)
        for each in page.locator("main summary").all():
            each.click()
    go_to(page, "requests")
    page.locator(".requests > li").get_by_role("button").first.click()
    expect(page.locator(".panel")).to_contain_text("onerror")
    assert page.locator("body script, main img").count() == 0


def test_nothing_is_asked_for_again_and_again(
    browser: Browser, cloud: EmbeddedCloud, api: Api
) -> None:
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE_MS)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    visit(page, f"{cloud.endpoint}/_ecsmachine/page/?token={TOKEN}")
    page.wait_for_load_state("load")
    page.locator(".region").filter(has_text=cloud.region).wait_for()
    before = len(asked)
    group = api.group()
    for number in range(5):
        run(api, group, f"web{number}")
        row(page, f"web{number}").wait_for()
    assert [url for url in asked[before:] if not url.endswith("icon.svg")] == []
    assert all(url.startswith(cloud.endpoint) for url in asked)
    page.context.close()


def test_a_change_of_one_of_200_touches_its_row_alone(browser: Browser, tmp_path: Path) -> None:
    # settled: nothing changes but what the test changes
    with embedded_cloud(tmp_path / "settled", page_token=TOKEN, settled=True) as cloud:
        api = Api(cloud)
        group = api.group()
        for _ in range(2):
            api.call("RunInstances", {**api.base(group), "InstanceName": "one", "Amount": 100})
        page = opened(browser, cloud)
        _change_three_times(page, api)
        page.context.close()


def _change_three_times(page: Page, api: Api) -> None:
    rows = page.locator(".instances > li")
    expect(rows).to_have_count(200)
    expect(rows.locator("[data-status=Running]")).to_have_count(200)
    page.evaluate(
        """() => {
            window.changes = 0;
            new MutationObserver((found) => {
              for (const each of found) window.changes += each.addedNodes.length;
            }).observe(document.querySelector(".instances"), { childList: true, subtree: true });
        }"""
    )
    changed = rows.nth(150).get_attribute("data-id")
    for number in range(3):
        values = {"InstanceId": changed, "InstanceName": f"renamed{number}"}
        api.call("ModifyInstanceAttribute", values)
        expect(row(page, f"renamed{number}")).to_have_count(1)
    assert page.evaluate("window.changes") == 3
    go_to(page, "network")
    expect(page.locator(".chip")).to_have_count(201)


def test_the_languages(browser: Browser, cloud: EmbeddedCloud) -> None:
    page = opened(browser, cloud, locale="zh-CN")
    expect(page.locator("nav")).to_contain_text("实例")
    assert page.evaluate("document.documentElement.lang") == "zh"
    page.get_by_role("button", name="English").click()
    expect(page.locator("nav")).to_contain_text("Instances")
    visit(page)
    expect(page.locator("nav")).to_contain_text("Instances")
    page.context.close()


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
def test_no_text_is_missing(browser: Browser, cloud: EmbeddedCloud, language: str) -> None:
    """What the modules ask for by name is in the table of texts."""
    page = opened(browser, cloud, locale=language)
    missing = page.evaluate(
        """async () => {
            const { t } = await import("./static/text.js");
            const found = [];
            for (const part of [...document.querySelectorAll("nav a")]) {
              const text = await (await fetch(`static/${part.dataset.part}.js`)).text();
              for (const [, key] of text.matchAll(/[^\\w]t\\("([^"]+)"/g))
                if (!t(key)) found.push(key);
            }
            return found;
        }"""
    )
    assert missing == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_and_fits(
    browser: Browser, cloud: EmbeddedCloud, scheme: Any, tmp_path: Path
) -> None:
    """axe-core finds nothing to complain of, and nothing is wider than a telephone."""
    if not AXE.is_file():
        pytest.skip(f"there is no {AXE}: scripts/setup local,dev fetches it with npm")
    api = Api(cloud)
    group = api.group("a-group-with-quite-a-long-name-for-a-narrow-screen")
    rule = {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "0.0.0.0/0"}
    api.call("AuthorizeSecurityGroup", {"SecurityGroupId": group, **rule})
    tags = {"Tag.1.Key": "team", "Tag.1.Value": "infrastructure"}
    for number in range(3):
        name = f"web{number}-" + "long" * 6 * number
        made = run(api, group, name, InternetMaxBandwidthOut=number, **tags)
    api.wait(made, "Running")
    api.call("StopInstance", InstanceId=made)
    api.refusal("DescribeNatGateways")
    page = opened(browser, cloud, color_scheme=scheme, viewport={"width": 360, "height": 700})
    page.evaluate(AXE.read_text())
    go_to(page, "faults")
    page.locator("#kind").select_option("throttle")
    page.locator('input[name="rate"]').fill("100")
    page.get_by_role("button", name="Set fault").click()
    for part in PARTS:
        go_to(page, part)
        for each in page.locator("main summary").all():
            each.click()
        if part in ("instances", "requests"):
            page.locator(f".{part} > li").get_by_role("button").first.click()
            page.locator(".panel dl").wait_for()
        found = page.evaluate("axe.run().then((result) => result.violations)")
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], part
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, part
    page.context.close()


def test_the_pictures_of_the_docs(browser: Browser, cloud: EmbeddedCloud, tmp_path: Path) -> None:
    """Draw them: ``SCREENSHOTS=docs/images scripts/test browser -k pictures`` keeps them."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    folder.mkdir(exist_ok=True)
    api = Api(cloud)
    web, database = api.group("web"), api.group("database")
    rule = {"IpProtocol": "tcp", "PortRange": "5432/5432", "SourceGroupId": web}
    api.call(
        "AuthorizeSecurityGroup", {"SecurityGroupId": database, **rule, "Description": "PostgreSQL"}
    )
    for name in ("web1", "web2", "web3"):
        run(api, web, name, InternetMaxBandwidthOut=5)
    for name in ("db-primary", "db-replica"):
        run(api, database, name)
    for name in ("web1", "db-replica"):
        api.wait(next(one.id for one in cloud.state.instances if one.name == name), "Running")
    page = opened(browser, cloud, viewport={"width": 1100, "height": 560})
    go_to(page, "network")
    for name in ("web1", "db-primary"):
        page.locator(".chip").filter(has_text=name).click()
    page.locator("#port").fill("5432")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("path.way.open")).to_have_count(1)
    page.screenshot(path=folder / "page-network.png")
    api.refusal("StartInstance", InstanceId="i-nothing")
    api.refusal("DescribeNatGateways")
    go_to(page, "requests")
    newest = page.locator(".requests > li").first
    expect(newest).to_contain_text("DescribeNatGateways")
    newest.get_by_role("button").click()
    page.locator(".panel pre").first.wait_for()
    page.screenshot(path=folder / "page-requests.png")
    for name in ("page-network.png", "page-requests.png"):
        assert 10_000 < (folder / name).stat().st_size < 150_000
    page.context.close()
