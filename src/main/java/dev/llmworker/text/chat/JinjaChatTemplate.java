package dev.llmworker.text.chat;

import dev.llmworker.text.ModelTokenizer;
import dev.llmworker.text.answer.ChatForms;
import dev.llmworker.text.answer.ToolFormat;
import dev.llmworker.text.answer.ToolSchema;
import dev.llmworker.text.hub.HubSettings;
import dev.llmworker.text.hub.HubSettings.Template;
import dev.llmworker.text.jinja.JinjaException;
import dev.llmworker.text.jinja.JinjaTemplate;
import dev.llmworker.text.tools.Tool;
import dev.llmworker.text.tools.ToolCall;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.Safetensors;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// A model's own chat template, written in Jinja.
///
/// Threading: any thread.
public final class JinjaChatTemplate implements ChatTemplate {
    /// The name of the format that the template tells.
    public static final String AUTO = "auto";

    private static final String GGUF_KEY = "tokenizer.chat_template";

    private static final String GGUF_TOOLS_KEY = GGUF_KEY + ".tool_use";

    /// Conversations to try a template on, by roles. Many templates refuse one or the other.
    private static final List<List<String>> PROBES =
            List.of(List.of("user"), List.of("system", "user"), List.of("user", "assistant", "user"));

    private static final List<String> ROLES = List.of("user", "system", "assistant");

    /// Texts that templates have, and a model or a conversation may lack: special tokens, and what firefunction's has.
    private static final Map<String, String> NO_TEXTS =
            Map.of("bos_token", "", "eos_token", "", "unk_token", "", "pad_token", "", "functions", "", "datetime", "");

    /// Names of variables by which templates have the tools; nearly all have the first one.
    private static final List<String> TOOL_VARIABLES = List.of("tools", "xml_tools");

    private static final Tool PROBE_TOOL = new Tool(
            "probe_tool",
            "probe description",
            "{\"type\":\"object\",\"properties\":{\"probe_key\":{\"type\":\"string\",\"description\":\"probe\"},"
                    + "\"probe_number\":{\"type\":\"integer\",\"description\":\"probe\"}},"
                    + "\"required\":[\"probe_key\"]}",
            false);
    private static final ToolCall PROBE_CALL =
            new ToolCall("probe0001", PROBE_TOOL.name(), "{\"probe_key\": \"probe value\", \"probe_number\": 7}");
    private static final ToolCall SECOND_CALL =
            new ToolCall("probe0002", PROBE_TOOL.name(), "{\"probe_key\": \"second\"}");
    private static final String PROBE_RESULT = "probe result";
    /// An id as OpenAI's servers make them.
    private static final String LONG_ID = "call_0123456789abcdefghijklmn";

    /// How a template reads the calls of tools in a conversation.
    private enum Calls {
        /// With the arguments as an object.
        OBJECT,
        /// With the arguments as text.
        TEXT,
        /// Not at all: they become part of the text.
        WRITTEN
    }

    /// What was found out about a template by trying it.
    ///
    /// @param needsAll whether it needs a value for what a conversation does not have: a list for `tools`, a text
    ///     for `bos_token`
    /// @param inParts the roles whose content it reads as a list of parts, not as a text
    /// @param hasSystem whether it takes a system message
    /// @param toolVariable the name of the tools; null if it knows none
    /// @param needsNoContent whether it reads calls only in a message whose content is null
    /// @param hasResults whether it writes the results of tools
    /// @param hasShortIds whether it takes only ids of nine letters and digits
    /// @param reasoningKey the name of the reasoning in a message
    /// @param forms how the model writes its answers
    private record Traits(
            boolean needsAll,
            Set<String> inParts,
            boolean hasSystem,
            @Nullable String toolVariable,
            Calls calls,
            boolean needsNoContent,
            boolean hasResults,
            boolean hasShortIds,
            String reasoningKey,
            ChatForms forms) {
        static Traits of(boolean needsAll, Set<String> roles) {
            return new Traits(
                    needsAll,
                    roles,
                    true,
                    "tools",
                    Calls.OBJECT,
                    false,
                    true,
                    false,
                    "reasoning_content",
                    ChatForms.GENERIC);
        }

        Traits with(@Nullable String variable) {
            return new Traits(
                    needsAll,
                    inParts,
                    hasSystem,
                    variable,
                    calls,
                    needsNoContent,
                    hasResults,
                    hasShortIds,
                    reasoningKey,
                    forms);
        }

        Traits with(Calls how, boolean noContent) {
            return new Traits(
                    needsAll,
                    inParts,
                    hasSystem,
                    toolVariable,
                    how,
                    noContent,
                    hasResults,
                    hasShortIds,
                    reasoningKey,
                    forms);
        }
    }

    private final JinjaTemplate template;
    private final Map<String, Object> specialTokens;
    private final Traits traits;

    private JinjaChatTemplate(JinjaTemplate template, Map<String, Object> specialTokens, Traits traits) {
        this.template = template;
        this.specialTokens = specialTokens;
        this.traits = traits;
    }

    private JinjaChatTemplate with(Traits other) {
        return new JinjaChatTemplate(template, specialTokens, other);
    }

    /// The model's template, tried on a few conversations; null if it has none.
    ///
    /// @throws ModelFileException if the template is invalid, fails on each of the conversations, or writes a
    ///     token for which the model has no embedding
    public static @Nullable ChatTemplate of(StoredModel model, ModelTokenizer tokenizer) throws IOException {
        return of(model, tokenizer, AUTO);
    }

    /// Like [#of(StoredModel, ModelTokenizer)], with the format of calls.
    ///
    /// @param toolFormat the name of a format, or [#AUTO]
    public static @Nullable ChatTemplate of(StoredModel model, ModelTokenizer tokenizer, String toolFormat)
            throws IOException {
        var source = source(model);
        var forTools = sourceForTools(model);
        if (source == null) {
            return null;
        }
        var plain = of(source, tokenizer, toolFormat);
        return forTools == null ? plain : new TemplatePair(plain, of(forTools, tokenizer, toolFormat));
    }

    private static ChatTemplate of(Template source, ModelTokenizer tokenizer, String toolFormat)
            throws ModelFileException {
        try {
            var trial = bestTrial(JinjaTemplate.parse(source.source()), tokenizer.specialTokens());
            for (var name : tokenizer.unusable()) {
                if (trial.rendered().stream().anyMatch(text -> text.contains(name))) {
                    throw new ModelFileException(
                            source.file(),
                            source.name() + " writes " + name + ", a token for which the model has no embedding");
                }
            }
            return trial.template().withTools(source.source(), toolFormat);
        } catch (JinjaException e) {
            throw new ModelFileException(source.file(), source.name() + " cannot be used: " + e.getMessage());
        }
    }

    /// A template from its source alone.
    ///
    /// @param specialTokens names of special tokens, by what templates call them
    /// @param toolFormat the name of a format of calls, or [#AUTO]
    /// @throws JinjaException if it cannot be used
    public static ChatTemplate of(String source, Map<String, Object> specialTokens, String toolFormat) {
        return bestTrial(JinjaTemplate.parse(source), specialTokens).template().withTools(source, toolFormat);
    }

    /// What came of the probes.
    ///
    /// @param rendered those that the template did not refuse
    /// @param written contents that came out
    /// @param complete whether all contents came out, but for those of refused conversations
    private record Trial(JinjaChatTemplate template, List<String> rendered, int written, boolean complete) {}

    /// Finds out by role whether the template reads content as a text or as parts: the form in which it comes out. Of
    /// two that are as good, the one with fewer parts. What a conversation does not have is null, as in
    /// transformers; only a template that fails then gets an empty value for it.
    ///
    /// @throws JinjaException if the template fails on all probes, and not because it refuses them
    private static Trial bestTrial(JinjaTemplate template, Map<String, Object> specialTokens) {
        var faults = new ArrayList<JinjaException>();
        var best = new JinjaChatTemplate(template, specialTokens, Traits.of(false, Set.of())).tried(faults);
        for (var choice = 1; choice < 2 << ROLES.size() && !best.complete(); choice++) {
            var inParts = BitSet.valueOf(new long[] {choice % (1 << ROLES.size())}).stream()
                    .mapToObj(ROLES::get)
                    .collect(Collectors.toSet());
            var traits = Traits.of(choice >= 1 << ROLES.size(), inParts);
            var trial = new JinjaChatTemplate(template, specialTokens, traits).tried(faults);
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
                var text = rendered(messages, List.of(), Map.of());
                var found = (int) messages.stream()
                        .filter(message -> text.contains(message.content()))
                        .count();
                rendered.add(text);
                written += found;
                complete &= found == roles.size();
            } catch (JinjaException e) {
                if (e.kind() != JinjaException.Kind.RAISED) {
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

    /// The template for conversations with tools; null if the model has none of its own.
    private static @Nullable Template sourceForTools(StoredModel model) throws IOException {
        return switch (model) {
            case Gguf gguf -> {
                var source = gguf.metadata().string(GGUF_TOOLS_KEY, "");
                yield source.isBlank() ? null : new Template(gguf.file(), GGUF_TOOLS_KEY, source);
            }
            case Safetensors safetensors -> HubSettings.read(safetensors.file()).templateForTools();
        };
    }

    // --- what it does with tools

    /// The template itself, with what it does with tools found out.
    private JinjaChatTemplate withTools(String source, String toolFormat) {
        var hasSystem = appears(List.of(new ChatMessage("system", "probe0"), ChatMessage.user("probe1")), "probe0");
        @Nullable
        String variable = TOOL_VARIABLES.stream()
                .filter(name -> with(traits.with(name)).writesTools())
                .findFirst()
                .orElse(null);
        var best = with(traits.with(variable)).bestCalls();
        var format = ToolFormat.named(toolFormat).orElseGet(() -> best.format(source));
        if (format == ToolFormat.GENERIC) {
            // The template may know tools, but its model's calls could not be read.
            variable = null;
        }
        var reads = format == ToolFormat.GENERIC ? best.with(best.traits.with(Calls.WRITTEN, false)) : best;
        var hasTwo = reads.traits.calls == Calls.WRITTEN
                || reads.appears(called(List.of(PROBE_CALL, SECOND_CALL)), "second");
        var written = hasTwo || format.separator() == null ? format : format.single();
        var found = reads.traits;
        var known = new Traits(
                found.needsAll,
                found.inParts,
                hasSystem,
                variable,
                found.calls,
                found.needsNoContent,
                reads.appears(called(List.of(PROBE_CALL)), PROBE_RESULT),
                found.calls != Calls.WRITTEN
                        && !reads.appears(called(List.of(withId(PROBE_CALL, LONG_ID))), "probe value"),
                source.contains("message.thinking") ? "thinking" : "reasoning_content",
                ChatForms.of(written, source));
        return with(known);
    }

    private boolean writesTools() {
        return appears(List.of(ChatMessage.user("probe0")), PROBE_TOOL.name());
    }

    /// With the way in which the template writes a call of a tool best.
    private JinjaChatTemplate bestCalls() {
        for (var noContent : List.of(false, true)) {
            for (var calls : List.of(Calls.OBJECT, Calls.TEXT)) {
                var candidate = with(traits.with(calls, noContent));
                var text = candidate.probed(called(List.of(PROBE_CALL)));
                // Text that was taken for a value is escaped once more.
                if (text.contains("probe value") && !text.contains("\\\"probe_key")) {
                    return candidate;
                }
            }
        }
        return with(traits.with(Calls.WRITTEN, false));
    }

    /// The format in which the template writes a call; if it writes none, that of which it has a hint.
    private ToolFormat format(String source) {
        // Calls that the template does not write are in the text, in whatever form.
        var text = traits.calls == Calls.WRITTEN ? "" : probed(called(List.of(PROBE_CALL)));
        for (var change : List.<UnaryOperator<String>>of(UnaryOperator.identity(), JinjaChatTemplate::withoutSpace)) {
            for (var format : ToolFormat.all()) {
                if (format != ToolFormat.GENERIC && format.isIn(text, PROBE_CALL, change)) {
                    return format;
                }
            }
        }
        return ToolFormat.all().stream()
                .filter(format -> !format.hint().isEmpty() && source.contains(format.hint()))
                .findFirst()
                .orElse(ToolFormat.GENERIC);
    }

    private static String withoutSpace(String text) {
        return text.replaceAll("\\s", "");
    }

    private static List<ChatMessage> called(List<ToolCall> calls) {
        var messages = new ArrayList<ChatMessage>();
        messages.add(ChatMessage.user("probe0"));
        messages.add(ChatMessage.assistant("", "", calls));
        calls.forEach(call -> messages.add(ChatMessage.toolResult(call.id(), call.name(), PROBE_RESULT)));
        return messages;
    }

    private static ToolCall withId(ToolCall call, String id) {
        return new ToolCall(id, call.name(), call.arguments());
    }

    private boolean appears(List<ChatMessage> messages, String text) {
        return probed(messages).contains(text);
    }

    /// What the template makes of a conversation with a tool; empty if it fails.
    private String probed(List<ChatMessage> messages) {
        try {
            return rendered(messages, List.of(PROBE_TOOL), Map.of());
        } catch (JinjaException | IllegalArgumentException _) {
            return "";
        }
    }

    @Override
    public ChatForms forms() {
        return traits.forms;
    }

    @Override
    public boolean knowsTools() {
        return traits.toolVariable != null;
    }

    // --- rendering

    @Override
    public String render(
            List<ChatMessage> messages, List<Tool> tools, Map<String, ? extends @Nullable Object> variables) {
        try {
            return rendered(messages, tools, variables);
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

    private String rendered(
            List<ChatMessage> messages, List<Tool> tools, Map<String, ? extends @Nullable Object> variables) {
        var all = new LinkedHashMap<String, @Nullable Object>(traits.needsAll ? NO_TEXTS : Map.of());
        all.putAll(variables);
        all.putAll(specialTokens);
        all.put("messages", readable(messages, tools).stream().map(this::turn).toList());
        all.put("tools", traits.needsAll ? List.of() : null);
        if (!tools.isEmpty() && traits.toolVariable != null) {
            all.put(
                    traits.toolVariable,
                    tools.stream().map(JinjaChatTemplate::function).toList());
        }
        all.put("documents", traits.needsAll ? List.of() : null);
        all.put("add_generation_prompt", true);
        return template.render(all);
    }

    /// What the template does not read becomes text.
    private List<ChatMessage> readable(List<ChatMessage> messages, List<Tool> tools) {
        var format = traits.forms.tools();
        var names = new HashMap<String, String>();
        messages.forEach(message -> message.toolCalls().forEach(call -> names.put(call.id(), call.name())));
        var all = messages.stream()
                .map(message -> isWritten(message) ? PlainTools.withWrittenCalls(message, format) : message)
                .map(message -> message.role().equals("tool") && message.name().isEmpty()
                        ? ChatMessage.toolResult(
                                message.toolCallId(), names.getOrDefault(message.toolCallId(), ""), message.content())
                        : message)
                .toList();
        if (!tools.isEmpty() && traits.toolVariable == null) {
            all = PlainTools.described(all, tools, format, traits.hasSystem);
        }
        return traits.hasResults ? all : PlainTools.withResultsOfUser(all);
    }

    private boolean isWritten(ChatMessage message) {
        return !message.toolCalls().isEmpty()
                && (traits.calls == Calls.WRITTEN
                        || traits.needsNoContent && !message.content().isEmpty());
    }

    /// A message as a template sees it. Some templates print it whole, so the order counts.
    private Map<String, @Nullable Object> turn(ChatMessage message) {
        var turn = new LinkedHashMap<String, @Nullable Object>();
        var calls = message.toolCalls();
        turn.put("role", message.role());
        turn.put(
                "content",
                traits.needsNoContent && !calls.isEmpty()
                        ? null
                        : traits.inParts.contains(message.role()) ? parts(message.content()) : message.content());
        // gpt-oss takes an analysis or a text before a call, but not both.
        var isExclusive = !traits.reasoningKey.equals("reasoning_content") && !calls.isEmpty();
        if (!message.reasoning().isEmpty()
                && !(isExclusive && !message.content().isEmpty())) {
            turn.put(traits.reasoningKey, message.reasoning());
        }
        if (!calls.isEmpty()) {
            turn.put("tool_calls", calls.stream().map(this::call).toList());
        }
        if (!message.toolCallId().isEmpty()) {
            turn.put("tool_call_id", id(message.toolCallId()));
        }
        if (!message.name().isEmpty()) {
            turn.put("name", message.name());
        }
        return turn;
    }

    private Map<String, @Nullable Object> call(ToolCall call) {
        var function = new LinkedHashMap<String, @Nullable Object>();
        function.put("name", call.name());
        function.put(
                "arguments", traits.calls == Calls.TEXT ? call.arguments() : ToolSchema.arguments(call.arguments()));
        var turn = new LinkedHashMap<String, @Nullable Object>();
        turn.put("id", id(call.id()));
        turn.put("type", "function");
        turn.put("function", function);
        return turn;
    }

    private String id(String id) {
        return traits.hasShortIds ? ShortIds.of(id) : id;
    }

    private static Map<String, @Nullable Object> function(Tool tool) {
        var function = new LinkedHashMap<String, @Nullable Object>();
        function.put("name", tool.name());
        // Some templates fail if there is none.
        function.put("description", tool.description());
        function.put("parameters", ToolSchema.plain(tool.parameters()));
        var described = new LinkedHashMap<String, @Nullable Object>();
        described.put("type", "function");
        described.put("function", function);
        return described;
    }

    private static List<Map<String, Object>> parts(String text) {
        var part = new LinkedHashMap<String, Object>();
        part.put("type", "text");
        part.put("text", text);
        return List.of(part);
    }
}
