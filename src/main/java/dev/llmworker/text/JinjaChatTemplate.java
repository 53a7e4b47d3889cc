package dev.llmworker.text;

import dev.llmworker.text.jinja.JinjaException;
import dev.llmworker.text.jinja.JinjaTemplate;
import dev.llmworker.weights.Metadata;
import dev.llmworker.weights.ModelFileException;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The chat template that comes with a model, in Jinja.
///
/// Threading: any thread.
public final class JinjaChatTemplate implements ChatTemplate {
    private static final String SOURCE = "tokenizer.chat_template";

    private final JinjaTemplate template;
    private final String beginOfSequence;
    private final String endOfSequence;

    private JinjaChatTemplate(JinjaTemplate template, String beginOfSequence, String endOfSequence) {
        this.template = template;
        this.beginOfSequence = beginOfSequence;
        this.endOfSequence = endOfSequence;
    }

    /// The template in a GGUF file's metadata, tried once on one message; null where there is none.
    ///
    /// @throws ModelFileException if it is no template, or cannot write down a single message
    public static @Nullable ChatTemplate of(Metadata metadata, GgufTokenizer tokenizer) throws ModelFileException {
        if (!metadata.has(SOURCE)) {
            return null;
        }
        try {
            var template = new JinjaChatTemplate(
                    JinjaTemplate.parse(metadata.string(SOURCE)),
                    tokenizer.beginOfSequenceName(),
                    tokenizer.endOfSequenceName());
            template.rendered(List.of(ChatMessage.user("Hello")), true);
            return template;
        } catch (JinjaException e) {
            throw new ModelFileException(metadata.file(), SOURCE + " cannot be used: " + e.getMessage());
        }
    }

    @Override
    public String render(List<ChatMessage> messages, boolean addGenerationPrompt) {
        try {
            return rendered(messages, addGenerationPrompt);
        } catch (JinjaException e) {
            if (e.raisedByTemplate()) {
                throw new IllegalArgumentException("the model's chat template refuses the messages: " + e.reason(), e);
            }
            throw e;
        }
    }

    private String rendered(List<ChatMessage> messages, boolean addGenerationPrompt) {
        var turns = messages.stream()
                .map(message -> Map.of("role", message.role(), "content", message.content()))
                .toList();
        return template.render(Map.of(
                "messages",
                turns,
                "add_generation_prompt",
                addGenerationPrompt,
                "bos_token",
                beginOfSequence,
                "eos_token",
                endOfSequence));
    }
}
