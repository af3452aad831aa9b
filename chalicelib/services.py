"""Wires the services of one process. Each is created on first use, so that a route loads only what it needs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib import settings as settings_module
from chalicelib.maintenance.alarms import thresholds

if TYPE_CHECKING:
    from chalicelib.access.auth import Authenticator
    from chalicelib.access.ownership import Ownership
    from chalicelib.directus.client import Directus
    from chalicelib.ledger.credential_tests import CredentialTests
    from chalicelib.ledger.estimates import Estimates
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.parts import PartsLedger
    from chalicelib.ledger.scripts import Scripts
    from chalicelib.ledger.usage import UsageLedger
    from chalicelib.ledger.workers import WorkersLedger
    from chalicelib.maintenance.health import HealthChecker
    from chalicelib.maintenance.learning import Learning
    from chalicelib.maintenance.maintenance import Maintenance
    from chalicelib.maintenance.monitor import Monitor
    from chalicelib.queues.schedules import Schedules
    from chalicelib.queues.tickets import Tickets
    from chalicelib.settings import Settings
    from chalicelib.usecases.admission import AdmissionChecks
    from chalicelib.usecases.bulk import BulkActions
    from chalicelib.usecases.cancel import Canceller
    from chalicelib.usecases.captions import CaptionEditor
    from chalicelib.usecases.charges import Charges
    from chalicelib.usecases.credentials import CredentialStore
    from chalicelib.usecases.enqueue import Enqueuer
    from chalicelib.usecases.enqueue_created import CreatedRecords
    from chalicelib.usecases.job_status import JobStatusReader
    from chalicelib.usecases.preview import PreviewReader
    from chalicelib.usecases.quote import Quoter
    from chalicelib.usecases.retry import Retrier
    from chalicelib.usecases.taxonomy import Taxonomy
    from chalicelib.usecases.usage import UsageReader


class Services:
    """The services of mediaq, configured by `settings`."""

    def __init__(self, settings: Settings) -> None:
        thresholds(
            settings.alarm_thresholds
        )  # a wrong name stops every process at start, not only the one that evaluates alarms
        self.settings = settings

    @cached_property
    def scripts(self) -> Scripts:
        """The Lua scripts in Redis."""
        from chalicelib.ledger.scripts import Scripts  # noqa: PLC0415

        return Scripts(self.settings.redis_url, self.settings.redis_prefix, self.settings.redis_password)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger."""
        from chalicelib.ledger.ledger import Ledger  # noqa: PLC0415

        return Ledger(self.scripts)

    @cached_property
    def parts(self) -> PartsLedger:
        """The parts of jobs."""
        from chalicelib.ledger.parts import PartsLedger  # noqa: PLC0415

        return PartsLedger(self.scripts)

    @cached_property
    def tickets(self) -> Tickets:
        """The queues."""
        from chalicelib.queues import tickets  # noqa: PLC0415

        return tickets.Tickets(
            tickets.client(), self.settings.queue_urls, self.settings.dead_letter_urls, schedules=self._schedules
        )

    @cached_property
    def polling_tickets(self) -> Tickets:
        """The queues, for a worker: long polls use a client of their own."""
        from chalicelib.queues import tickets  # noqa: PLC0415

        urls = (self.settings.queue_urls, self.settings.dead_letter_urls)
        return tickets.Tickets(tickets.client(), *urls, poller=tickets.polling_client())

    @property
    def _schedules(self) -> Schedules | None:
        from chalicelib.queues.schedules import Schedules  # noqa: PLC0415

        role_arn = self.settings.schedule_role_arn
        return Schedules(role_arn, self.settings.schedule_group) if role_arn else None

    @cached_property
    def directus(self) -> Directus:
        """The Directus client, with the service token."""
        from chalicelib.directus.client import Directus  # noqa: PLC0415

        return Directus(self.settings.directus_url, self.settings.directus_token, self.settings.directus_timeout)

    @cached_property
    def authenticator(self) -> Authenticator:
        """Authentication."""
        from chalicelib.access.auth import Authenticator  # noqa: PLC0415

        return Authenticator(self.settings.directus_secrets, self.directus)

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The taxonomy cache."""
        from chalicelib.usecases.taxonomy import Taxonomy  # noqa: PLC0415

        return Taxonomy(self.scripts, self.directus, self.settings.taxonomy_ttl)

    @cached_property
    def enqueuer(self) -> Enqueuer:
        """The use case behind `POST /queue/media`."""
        from chalicelib.usecases.enqueue import Enqueuer  # noqa: PLC0415

        return Enqueuer(self.directus, self.ledger, self.tickets, self.charges, self.admission_checks)

    @cached_property
    def admission_checks(self) -> AdmissionChecks:
        """The checks before a job is admitted."""
        from chalicelib.domain.plans import load_plans  # noqa: PLC0415
        from chalicelib.domain.presets import load_presets  # noqa: PLC0415
        from chalicelib.usecases.admission import AdmissionChecks  # noqa: PLC0415

        plans, presets = load_plans(self.settings.plans_file), load_presets(self.settings.presets_file)
        calls_back, delay_max_ms = bool(self.settings.webhook_secrets), self.tickets.delay_max_ms
        return AdmissionChecks(self.directus, self.ownership, plans, presets, calls_back=calls_back, delay_max_ms=delay_max_ms)

    @cached_property
    def ownership(self) -> Ownership:
        """Authorization of access to records."""
        from chalicelib.access.ownership import Ownership  # noqa: PLC0415

        return Ownership(self.directus)

    @cached_property
    def retrier(self) -> Retrier:
        """The use case that retries failed jobs."""
        from chalicelib.usecases.retry import Retrier  # noqa: PLC0415

        return Retrier(self.directus, self.enqueuer, self.ownership)

    @cached_property
    def bulk_actions(self) -> BulkActions:
        """The use case that retries or cancels many jobs."""
        from chalicelib.usecases.bulk import BulkActions  # noqa: PLC0415

        return BulkActions(self.directus, self.ledger, self.ownership, self.retrier, self.canceller)

    @cached_property
    def job_status(self) -> JobStatusReader:
        """The use case that reads job status."""
        from chalicelib.usecases.job_status import JobStatusReader  # noqa: PLC0415

        return JobStatusReader(self.directus, self.ledger, self.parts, self.ownership)

    @cached_property
    def pictures(self) -> PreviewReader:
        """The use case that reads preview images."""
        from chalicelib.usecases.preview import PreviewReader  # noqa: PLC0415

        return PreviewReader(self.directus, self.ownership)

    @cached_property
    def captions(self) -> CaptionEditor:
        """The use cases behind `/captions`."""
        from chalicelib.usecases.captions import CaptionEditor  # noqa: PLC0415

        return CaptionEditor(self.directus, self.ledger, self.enqueuer, self.ownership, self.created.close)

    @cached_property
    def credential_tests(self) -> CredentialTests:
        """The tests of credentials."""
        from chalicelib.ledger.credential_tests import CredentialTests  # noqa: PLC0415

        return CredentialTests(self.scripts)

    @cached_property
    def credentials(self) -> CredentialStore:
        """The use cases behind `/credentials`."""
        from chalicelib.access.sealing import Sealer  # noqa: PLC0415
        from chalicelib.usecases.credentials import CredentialStore  # noqa: PLC0415

        current = self.settings
        sealer = Sealer(current.credentials_public_key, current.credentials_kms_key)
        return CredentialStore(self.directus, self.ownership, sealer, self.credential_tests, current.directus_secrets[0])

    @cached_property
    def usage(self) -> UsageReader:
        """The use case behind `GET /queue/usage`."""
        from chalicelib.domain.plans import load_plans  # noqa: PLC0415
        from chalicelib.usecases.usage import UsageReader  # noqa: PLC0415

        return UsageReader(self.directus, self.charges, self.ownership, load_plans(self.settings.plans_file))

    @cached_property
    def charges(self) -> Charges:
        """The charges of users."""
        from chalicelib.usecases.charges import Charges  # noqa: PLC0415

        return Charges(self.directus, self.usage_ledger)

    @cached_property
    def estimates(self) -> Estimates:
        """The models of the estimates."""
        from chalicelib.ledger.estimates import Estimates  # noqa: PLC0415

        return Estimates(self.scripts)

    @cached_property
    def learning(self) -> Learning:
        """What keeps the estimates up to date."""
        from chalicelib.maintenance.learning import Learning  # noqa: PLC0415

        return Learning(self.estimates, self.directus)

    @cached_property
    def quoter(self) -> Quoter:
        """The use case behind `POST /queue/media/quote`."""
        from chalicelib.domain.cost import load_prices  # noqa: PLC0415
        from chalicelib.usecases.quote import Ledgers, Quoter  # noqa: PLC0415

        ledgers = Ledgers(self.ledger, self.workers_ledger, self.estimates)
        prices = load_prices(self.settings.prices_file)
        return Quoter(self.directus, ledgers, self.charges, self.admission_checks, prices)

    @cached_property
    def workers_ledger(self) -> WorkersLedger:
        """The heartbeats of the workers."""
        from chalicelib.ledger.workers import WorkersLedger  # noqa: PLC0415

        return WorkersLedger(self.scripts)

    @cached_property
    def usage_ledger(self) -> UsageLedger:
        """The charges in the ledger."""
        from chalicelib.ledger.usage import UsageLedger  # noqa: PLC0415

        return UsageLedger(self.scripts)

    @cached_property
    def created(self) -> CreatedRecords:
        """The use case that enqueues created records."""
        from chalicelib.usecases.enqueue_created import CreatedRecords  # noqa: PLC0415

        return CreatedRecords(self.directus, self.enqueuer, self.ledger)

    @cached_property
    def canceller(self) -> Canceller:
        """The use case that cancels jobs."""
        from chalicelib.usecases.cancel import Canceller  # noqa: PLC0415

        return Canceller(self.directus, self.ledger, self.tickets, self.ownership)

    @cached_property
    def maintenance(self) -> Maintenance:
        """The maintenance task."""
        from chalicelib.maintenance.maintenance import Maintenance  # noqa: PLC0415

        return Maintenance(self.ledger, self.tickets, self.directus, self.learning)

    @cached_property
    def monitor(self) -> Monitor:
        """The gauges and alarms of the maintenance task."""
        from chalicelib.maintenance.monitor import Monitor  # noqa: PLC0415

        return Monitor(self.ledger, self.parts, self.workers_ledger, self.settings)

    @cached_property
    def health_checker(self) -> HealthChecker:
        """The health check."""
        from chalicelib.maintenance.health import HealthChecker  # noqa: PLC0415

        return HealthChecker(self.ledger, self.workers_ledger, self.tickets, self.directus)


class _Process:
    services: Services | None = None


def services() -> Services:
    """Return the services of this process, configured by its environment on first use."""
    if _Process.services is None:
        _Process.services = Services(settings_module.current())
    return _Process.services


def use(services: Services | None) -> None:
    """Set the services of this process, for tests; None resets them."""
    _Process.services = services
