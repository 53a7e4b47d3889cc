package dev.llmworker.serving;

import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.text.ChatMessage;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;

/// Reads requests, every bound checked; fields it does not know are ignored.
final class WireFormat {
    private WireFormat() {}

    /// A request as `/generate` and `/ws` take it: `prompt`, and where given `max_tokens`, `temperature`, `top_k`,
    /// `top_p`, `min_p`, `seed`, `raw`, `ignore_eos`.
    ///
    /// @throws RequestException naming the field, its value and its limit
    static GenerationRequest request(Map<?, ?> body) {
        var fields = new RequestFields(body);
        var text = fields.text("prompt");
        try {
            var sampling = new SamplingParameters(
                    fields.decimal("temperature", GenerationRequest.DEFAULT_TEMPERATURE),
                    fields.whole("top_k").orElse(0),
                    fields.decimal("top_p", 1),
                    fields.decimal("min_p", 0),
                    fields.wholeLong("seed")
                            .orElseGet(() -> ThreadLocalRandom.current().nextLong()));
            var prompt =
                    fields.flag("raw", false) ? new Prompt.Raw(text) : new Prompt.Chat(List.of(ChatMessage.user(text)));
            return new GenerationRequest(
                    prompt, fields.whole("max_tokens"), sampling, fields.flag("ignore_eos", false));
        } catch (IllegalArgumentException e) {
            throw RequestException.invalid(String.valueOf(e.getMessage()));
        }
    }
}
