"""Every error Colony raises on purpose, as one tree; each has a stable code and says what to do.

```
ColonyError
├── BadInput                  the caller sent something that can't be used
│   ├── Malformed             not readable at all (broken JSON, too deep)
│   ├── TooLarge              over a size limit
│   ├── NotJson               says itself that it is something else than JSON
│   └── SettingInvalid        an environment variable has a wrong value
├── Unauthenticated           nobody, or nobody we know
├── Forbidden                 known, but without the capability
├── TooMany                   more than the caller may ask for now
├── NotFound                  not there, or another tenant's
├── Conflict                  somebody else moved first, or not in that state
│   ├── FenceLost             this process no longer owns the mission
│   ├── RunsAlone             a mission that processes died with, where others run
│   ├── Halted                somebody has stopped the tenant, or everybody
│   └── PreconditionStale     the root's object changed under the proposal
├── Denied                    a policy said no
│   ├── PassRefused           a call was outside its librarian pass
│   └── ConstitutionForbids   it is beyond what the constitution allows
├── ConstitutionUnverified    no constitution that holds is in force: nothing is decided, called or written
├── BudgetExceeded            time, tokens or calls are used up
├── IntegrityBroken           stored bytes do not match their hash
├── ModelFailed               a model did not give a usable answer
│   └── ProviderFailed        its provider gave no answer at all
├── Unavailable               something Colony depends on does not answer
│   ├── StoreUnavailable      Postgres
│   │   ├── StoreRefused      Postgres answered, and could not do it
│   │   └── KeyMissing        what is stored is encrypted under a key that this process does not have
│   ├── RootUnavailable       the product's backend
│   └── ServiceUnavailable    Colony's own API, seen from a client
├── DestinationRefused        an outbound call would have gone where it may not
├── RootRefused               the root answered, and the answer is no
├── RecordingMissing          a replay asked something that its original never asked
├── OutcomeUnknown            a write was sent and nobody can say whether it happened
├── StoreCorrupted            the embedded Postgres can't be started from its data folder
└── NotBuilt                  a documented call that this version does not answer yet
```

All derive from RuntimeError, which LangGraph's default retry never retries: a decision is not a hiccup.
"""

from __future__ import annotations


class ColonyError(RuntimeError):
    """Base of the tree.

    Attributes:
        code: stable, snake_case, safe to show and to match on.
        hint: one sentence on what to do about it; may be empty.
    """

    code = "internal_error"
    default_hint = ""

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.hint = type(self).default_hint if hint is None else hint


class BadInput(ColonyError):
    """The caller sent something that can't be used."""

    code = "invalid_input"


class Malformed(BadInput):
    """The input can't even be read."""

    code = "malformed"


class TooLarge(BadInput):
    """The input is over a size limit."""

    code = "too_large"


class NotJson(BadInput):
    """The input says itself that it is something else than JSON."""

    code = "unsupported_media_type"
    default_hint = "Send it with Content-Type: application/json."


class SettingInvalid(BadInput):
    """An environment variable has a wrong value; the message names it and what would be right."""

    code = "setting_invalid"


class Unauthenticated(ColonyError):
    """No credentials, or none that hold."""

    code = "unauthenticated"


class Forbidden(ColonyError):
    """The caller is known but lacks the capability."""

    code = "forbidden"


class TooMany(ColonyError):
    """The caller has had its share for now.

    Attributes:
        retry_after_s: when it may ask again, in seconds.
    """

    code = "rate_limited"
    default_hint = "Wait for as long as Retry-After says."

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotFound(ColonyError):
    """It does not exist, or it belongs to another tenant: the two look the same from outside."""

    code = "not_found"


class Conflict(ColonyError):
    """Somebody else moved first, or the thing is not in a state that allows this."""

    code = "conflict"


class FenceLost(Conflict):
    """The mission's epoch has moved on: another process owns it, and this one must stop."""

    code = "fence_lost"


class RunsAlone(Conflict):
    """Processes died with this mission in their hands: it runs only where nothing else does."""

    code = "runs_alone"


class PreconditionStale(Conflict):
    """The root's object is no longer the one the proposal was made against."""

    code = "precondition_stale"


class Halted(Conflict):
    """Somebody has halted the tenant, or everybody: nothing that would run is accepted."""

    code = "halted"
    default_hint = "`colony halt show` says who has halted it and why, `colony halt lift` lifts it."


class Denied(ColonyError):
    """A policy said no."""

    code = "policy_denied"


class PassRefused(Denied):
    """A tool call was outside the task's librarian pass."""

    code = "pass_refused"


class ConstitutionForbids(Denied):
    """It is beyond a hard limit of the constitution, whatever the rules say."""

    code = "constitution_forbids"
    default_hint = "`colony constitution show` lists the limits; another version must be signed and activated."


class ConstitutionUnverified(ColonyError):
    """No constitution that holds is in force: nothing is decided, called or written until one is."""

    code = "constitution_unverified"
    default_hint = "See docs/runbooks/constitution.md. Then `colony missions retry`: finished work is kept."


class BudgetExceeded(ColonyError):
    """The mission's time, token or call budget is used up."""

    code = "budget_exceeded"
    default_hint = (
        "What was finished is among its artifacts. Submit it again with a larger token_budget or time_budget_ms."
    )


class IntegrityBroken(ColonyError):
    """Stored bytes do not match their recorded hash: somebody changed them."""

    code = "integrity_broken"
    default_hint = "Fetch the mission's bundle and run `colony verify` on it to see what was changed."


class ModelFailed(ColonyError):
    """A model gave no usable answer, after the allowed repair."""

    code = "model_failed"


class ProviderFailed(ModelFailed):
    """A model's provider gave no answer, after the allowed retries; another tier may."""

    code = "model_unavailable"
    default_hint = "Check the tier's entry in MODEL_ROUTES_FILE and its provider, then `colony missions retry`."


class Unavailable(ColonyError):
    """Something Colony depends on does not answer."""

    code = "unavailable"


class StoreUnavailable(Unavailable):
    """Postgres does not answer."""

    code = "store_unavailable"
    default_hint = "Check that Postgres runs and that DATABASE_URL is right; `colony doctor` shows both."


class StoreRefused(StoreUnavailable):
    """Postgres answered, and could not do it: the statement took too long, or it has no room."""

    code = "store_refused"
    default_hint = "See Postgres's log."


class KeyMissing(StoreUnavailable):
    """What is stored is encrypted under a key that this process does not have; another may, so nothing is given up."""

    code = "encryption_key_missing"
    default_hint = "Add that key to PAYLOAD_ENCRYPTION_KEY, after the one that is to encrypt; see docs/encryption.md."


class RootUnavailable(Unavailable):
    """The product's backend does not answer in time."""

    code = "root_unavailable"
    default_hint = "Check ROOT_API_BASE_URL and that the root is up, then `colony missions retry`."


class ServiceUnavailable(Unavailable):
    """Colony's own API does not answer a client."""

    code = "service_unavailable"
    default_hint = "Start it with `make up` (or `colony up`), or set COLONY_SERVICE_BASE_URL."


class RootRefused(ColonyError):
    """The root answered a call with a refusal other than not-found or a stale precondition."""

    code = "root_refused"


class RecordingMissing(ColonyError):
    """A replay asked something that its original never asked: code, rules or settings are not what they were."""

    code = "recording_missing"
    default_hint = "Its report names the first difference. With on_missing=live the answer is asked for anew."


class DestinationRefused(ColonyError):
    """An outbound call would have gone where it may not: another host, or an address that is not to be called."""

    code = "destination_refused"
    default_hint = "Check the URL that is set for it, and what its host's name leads to."


class OutcomeUnknown(ColonyError):
    """A write was sent and it can't be known whether it happened; a person decides, never a blind retry."""

    code = "outcome_unknown"


class StoreCorrupted(ColonyError):
    """The embedded Postgres can't be started from its data folder."""

    code = "store_corrupted"


class NotBuilt(ColonyError):
    """A documented call that this version does not answer yet."""

    code = "not_built"
