package dev.llmworker.serving.request;

import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.text.chat.ChatMessage;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;

/// Reads requests, every bound checked; fields it does not know are ignored.
public final class WireFormat {
    private WireFormat() {}

    /// A request as `/generate` and `/ws` take it: `prompt` or `messages`, and optionally `max_tokens`, `min_tokens`,
    /// `raw`, `ignore_eos`, `chat_template_kwargs`, and what [SamplingFields] reads.
    ///
    /// @throws RequestException naming the field, its value and its limit
    public static GenerationRequest request(Map<?, ?> body) {
        var fields = new RequestFields(body);
        var prompt = prompt(fields);
        UnsupportedFields.refuse(fields, prompt instanceof Prompt.Raw, Set.of());
        try {
            var sampling = SamplingFields.sampling(fields, GenerationRequest.DEFAULT_TEMPERATURE, OptionalInt.empty());
            return new GenerationRequest(
                            prompt,
                            SamplingFields.maxTokens(fields),
                            sampling,
                            fields.flag("ignore_eos", false),
                            fields.whole("min_tokens").orElse(0),
                            SamplingFields.stops(fields),
                            false)
                    .withStopTokens(SamplingFields.stopTokens(fields))
                    .withFormat(AnswerFormats.read(fields));
        } catch (IllegalArgumentException e) {
            throw fields.refusal(e);
        }
    }

    /// A conversation, or a text that is one's only message unless it is `raw`.
    private static Prompt prompt(RequestFields fields) {
        var raw = fields.flag("raw", false);
        if (!fields.has("messages")) {
            var text = fields.text("prompt");
            return raw ? new Prompt.Raw(text) : chat(List.of(ChatMessage.user(text)), fields);
        }
        if (fields.has("prompt")) {
            throw RequestException.invalid("messages", "messages and prompt are both there; send one of them");
        }
        if (raw) {
            throw RequestException.invalid("raw", "raw is true, which needs a prompt and no messages");
        }
        return chat(ChatMessages.read(fields), fields);
    }

    /// A conversation, with what the request says to the model's chat template.
    public static Prompt.Chat chat(List<ChatMessage> messages, RequestFields fields) {
        return new Prompt.Chat(messages, TemplateVariables.read(fields));
    }
}
