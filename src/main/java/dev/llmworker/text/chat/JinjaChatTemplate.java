package dev.llmworker.text.chat;

import dev.llmworker.text.ModelTokenizer;
import dev.llmworker.text.hub.HubSettings;
import dev.llmworker.text.hub.HubSettings.Template;
import dev.llmworker.text.jinja.JinjaException;
import dev.llmworker.text.jinja.JinjaTemplate;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.Safetensors;
import dev.llmworker.weights.StoredModel;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A model's own chat template, written in Jinja.
///
/// Threading: any thread.
public final class JinjaChatTemplate implements ChatTemplate {
    private static final String GGUF_KEY = "tokenizer.chat_template";

    private final JinjaTemplate template;
    private final String beginOfSequence;
    private final String endOfSequence;

    private JinjaChatTemplate(JinjaTemplate template, String beginOfSequence, String endOfSequence) {
        this.template = template;
        this.beginOfSequence = beginOfSequence;
        this.endOfSequence = endOfSequence;
    }

    /// The model's template, tried once on one message; null if it has none.
    ///
    /// @throws ModelFileException if the template is invalid or cannot render a single message
    public static @Nullable ChatTemplate of(StoredModel model, ModelTokenizer tokenizer) throws IOException {
        var source = source(model);
        if (source == null) {
            return null;
        }
        try {
            var template = new JinjaChatTemplate(
                    JinjaTemplate.parse(source.source()),
                    tokenizer.beginOfSequenceName(),
                    tokenizer.endOfSequenceName());
            template.rendered(List.of(ChatMessage.user("Hello")), true, Map.of());
            return template;
        } catch (JinjaException e) {
            throw new ModelFileException(source.file(), source.name() + " cannot be used: " + e.getMessage());
        }
    }

    private static @Nullable Template source(StoredModel model) throws IOException {
        return switch (model) {
            case Gguf gguf -> {
                var metadata = gguf.metadata();
                yield metadata.has(GGUF_KEY) ? new Template(gguf.file(), GGUF_KEY, metadata.string(GGUF_KEY)) : null;
            }
            case Safetensors safetensors -> HubSettings.read(safetensors.file()).template();
        };
    }

    @Override
    public String render(List<ChatMessage> messages, boolean addGenerationPrompt) {
        return render(messages, addGenerationPrompt, Map.of());
    }

    @Override
    public String render(
            List<ChatMessage> messages,
            boolean addGenerationPrompt,
            Map<String, ? extends @Nullable Object> variables) {
        try {
            return rendered(messages, addGenerationPrompt, variables);
        } catch (JinjaException e) {
            // It has rendered a message before, so what goes wrong comes from this request.
            throw switch (e.kind()) {
                case RAISED ->
                    new IllegalArgumentException("the model's chat template rejects the messages: " + e.reason(), e);
                case FAULT ->
                    new IllegalArgumentException(
                            "the model's chat template cannot render these messages: " + e.reason(), e);
                case TOO_LONG ->
                    new TemplateLimitException(
                            true, "prompt is too long for the model's chat template: " + e.reason(), e);
                case TOO_MUCH_WORK ->
                    new TemplateLimitException(
                            false, "the model's chat template cannot render these messages: " + e.reason(), e);
            };
        }
    }

    private String rendered(
            List<ChatMessage> messages,
            boolean addGenerationPrompt,
            Map<String, ? extends @Nullable Object> variables) {
        var all = new LinkedHashMap<String, @Nullable Object>(variables);
        all.put("messages", messages.stream().map(JinjaChatTemplate::turn).toList());
        all.put("add_generation_prompt", addGenerationPrompt);
        all.put("bos_token", beginOfSequence);
        all.put("eos_token", endOfSequence);
        return template.render(all);
    }

    /// In the order in which a template writes a whole message.
    private static Map<String, String> turn(ChatMessage message) {
        var turn = new LinkedHashMap<String, String>();
        turn.put("role", message.role());
        turn.put("content", message.content());
        return turn;
    }
}
