"""What a person was warned of is computed anew from the evidence's labels."""

import json

import pytest

from server.bundle import packed
from server.verify import contents, taints
from server.verify.archive import members
from server.verify.plain import Broken
from tests.server.verify.forge import files_of, sealed
from tests.server.verify.story import told


def read_with(taint, *, trust="customer", judged=("text",)):
    """Return a told mission's contents whose evidence, proposals and release decisions say so."""
    files = files_of(packed(told().record()))
    c = contents.read(members(sealed(files)))
    for evidence in c.of("research_artifact"):
        evidence.fields["trust"] = trust
    source = c.of("research_artifact")[0].where.rpartition("/")[2].removesuffix(".json")
    for approval in c.approvals:
        request = json.loads(approval.fields["request"])
        for proposal in request["proposals"]:
            fields = sorted(proposal["after"])
            proposal["taint"] = [
                {"field": field, "trust": said, "artifact_ids": [source if one == "it" else one for one in ids]}
                for field in fields
                for said, ids in taint
            ]
            named = fields if judged else []
            for decision in c.of("policy_decision"):
                resource = decision.fields["question"]["resource"]
                if resource["id"] == proposal["payload_sha256"]:
                    resource["attrs"]["tainted_fields"] = named
        approval.fields["request"] = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return c


def test_what_was_shown_as_the_labels_say_holds():
    assert taints.taints(read_with([("customer", ["it"])])).startswith("3 fields")
    assert taints.taints(read_with([("web", ["it", "unknown"])])).startswith("3 fields")
    assert taints.taints(read_with([], trust="system", judged=())).startswith("0 fields")


@pytest.mark.parametrize(
    ("taint", "labels", "sentence"),
    [
        pytest.param([], {"judged": ()}, "was shown as untainted", id="left-out"),
        pytest.param([], {}, "policy was told of other tainted fields", id="kept-from-the-person"),
        pytest.param([("customer", ["it"])], {"judged": ()}, "policy was told of other", id="kept-from-policy"),
        pytest.param([("customer", ["unknown"])], {}, "is not tainted by what it was made from", id="of-another"),
        pytest.param([("customer", ["it"])], {"trust": "web"}, "more trusted than what it was made from", id="milder"),
        pytest.param([("customer", ["it"])], {"trust": "system"}, "is not tainted by", id="of-trusted-text"),
    ],
)
def test_what_was_shown_otherwise_is_found(taint, labels, sentence):
    with pytest.raises(Broken, match=sentence):
        taints.taints(read_with(taint, **labels))


@pytest.mark.parametrize(
    ("judged", "holds"),
    [
        pytest.param(["best_channel", "extra", "move_in_date"], True, id="with-those-within"),
        pytest.param(["extra", "move_in_date"], True, id="as-before"),
        pytest.param(["extra"], False, id="kept-from-policy"),
    ],
)
def test_fields_are_compared_in_the_spelling_of_the_rules(judged, holds):
    c = read_with([("customer", ["it"])])
    approval = c.approvals[0]
    request = json.loads(approval.fields["request"])
    proposal = request["proposals"][0]
    marked = proposal["taint"][0]
    proposal["after"] = {"moveInDate": "May", "extra": [{"Best-Channel": "sms"}]}
    proposal["taint"] = [{**marked, "field": field} for field in sorted(proposal["after"])]
    approval.fields["request"] = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for decision in c.of("policy_decision"):
        resource = decision.fields["question"]["resource"]
        if resource["id"] == proposal["payload_sha256"]:
            resource["attrs"]["tainted_fields"] = judged
    if holds:
        assert taints.taints(c)
    else:
        with pytest.raises(Broken, match="policy was told of other tainted fields"):
            taints.taints(c)
