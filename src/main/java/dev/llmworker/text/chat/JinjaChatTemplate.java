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
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// A model's own chat template, written in Jinja.
///
/// Threading: any thread.
public final class JinjaChatTemplate implements ChatTemplate {
    private static final String GGUF_KEY = "tokenizer.chat_template";

    /// Conversations to try a template on, by roles. Many templates refuse one or the other.
    private static final List<List<String>> PROBES =
            List.of(List.of("user"), List.of("system", "user"), List.of("user", "assistant", "user"));

    private static final List<String> ROLES = List.of("user", "system", "assistant");

    private final JinjaTemplate template;
    private final Map<String, Object> specialTokens;
    /// The roles whose content the template reads as a list of parts, not as a text.
    private final Set<String> inParts;

    private JinjaChatTemplate(JinjaTemplate template, Map<String, Object> specialTokens, Set<String> inParts) {
        this.template = template;
        this.specialTokens = specialTokens;
        this.inParts = inParts;
    }

    /// The model's template, tried on a few conversations; null if it has none.
    ///
    /// @throws ModelFileException if the template is invalid, fails on each of the conversations, or writes a
    ///     token for which the model has no embedding
    public static @Nullable ChatTemplate of(StoredModel model, ModelTokenizer tokenizer) throws IOException {
        var source = source(model);
        if (source == null) {
            return null;
        }
        try {
            var trial = bestTrial(JinjaTemplate.parse(source.source()), tokenizer.specialTokens());
            for (var name : tokenizer.unusable()) {
                if (trial.rendered().stream().anyMatch(text -> text.contains(name))) {
                    throw new ModelFileException(
                            source.file(),
                            source.name() + " writes " + name + ", a token for which the model has no embedding");
                }
            }
            return trial.template();
        } catch (JinjaException e) {
            throw new ModelFileException(source.file(), source.name() + " cannot be used: " + e.getMessage());
        }
    }

    /// What came of the probes.
    ///
    /// @param rendered those that the template did not refuse
    /// @param written contents that came out
    /// @param complete whether all contents came out, but for those of refused conversations
    private record Trial(JinjaChatTemplate template, List<String> rendered, int written, boolean complete) {}

    /// Finds out by role whether the template reads content as a text or as parts: the form in which it comes out. Of
    /// two that are as good, the one with fewer parts.
    ///
    /// @throws JinjaException if the template fails on all probes, and not because it refuses them
    private static Trial bestTrial(JinjaTemplate template, Map<String, Object> specialTokens) {
        var faults = new ArrayList<JinjaException>();
        var best = new JinjaChatTemplate(template, specialTokens, Set.of()).tried(faults);
        for (var choice = 1; choice < 1 << ROLES.size() && !best.complete(); choice++) {
            var inParts = BitSet.valueOf(new long[] {choice}).stream()
                    .mapToObj(ROLES::get)
                    .collect(Collectors.toSet());
            var trial = new JinjaChatTemplate(template, specialTokens, inParts).tried(faults);
            if (trial.written() > best.written()) {
                best = trial;
            }
        }
        if (best.rendered().isEmpty() && !faults.isEmpty()) {
            throw faults.getFirst();
        }
        return best;
    }

    private Trial tried(List<JinjaException> faults) {
        var rendered = new ArrayList<String>();
        var written = 0;
        var complete = true;
        for (var roles : PROBES) {
            var messages = new ArrayList<ChatMessage>();
            roles.forEach(role -> messages.add(new ChatMessage(role, "probe" + messages.size())));
            try {
                var text = rendered(messages, true);
                var found = (int) messages.stream()
                        .filter(message -> text.contains(message.content()))
                        .count();
                rendered.add(text);
                written += found;
                complete &= found == roles.size();
            } catch (JinjaException e) {
                if (!e.raisedByTemplate()) {
                    faults.add(e);
                    complete = false;
                }
            }
        }
        return new Trial(this, rendered, written, complete);
    }

    private static @Nullable Template source(StoredModel model) throws IOException {
        return switch (model) {
            case Gguf gguf -> {
                var source = gguf.metadata().string(GGUF_KEY, "");
                yield source.isBlank() ? null : new Template(gguf.file(), GGUF_KEY, source);
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
            // It has rendered messages before, so what goes wrong comes from this request.
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

    private String rendered(List<ChatMessage> messages, boolean addGenerationPrompt) {
        return rendered(messages, addGenerationPrompt, Map.of());
    }

    private String rendered(
            List<ChatMessage> messages,
            boolean addGenerationPrompt,
            Map<String, ? extends @Nullable Object> variables) {
        var all = new LinkedHashMap<String, @Nullable Object>(variables);
        all.putAll(specialTokens);
        all.put("messages", messages.stream().map(this::turn).toList());
        all.put("tools", null);
        all.put("documents", null);
        all.put("add_generation_prompt", addGenerationPrompt);
        return template.render(all);
    }

    /// A message as a template sees it. Some templates print it whole, so the order counts.
    private Map<String, Object> turn(ChatMessage message) {
        var turn = new LinkedHashMap<String, Object>();
        turn.put("role", message.role());
        turn.put("content", inParts.contains(message.role()) ? parts(message.content()) : message.content());
        return turn;
    }

    private static List<Map<String, Object>> parts(String text) {
        var part = new LinkedHashMap<String, Object>();
        part.put("type", "text");
        part.put("text", text);
        return List.of(part);
    }
}
