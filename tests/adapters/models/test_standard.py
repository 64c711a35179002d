"""LangChain's own suites for chat models, over the built-in extractive model."""

from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from adapters.models.extractive_chat import ExtractiveChatModel


class TestExtractiveUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ExtractiveChatModel


class TestExtractiveIntegration(ChatModelIntegrationTests):
    """Talking and streaming; the suite's tool calls ask for inventions (a joke, the weather), which it never makes."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ExtractiveChatModel

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False
