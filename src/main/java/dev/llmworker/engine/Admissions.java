package dev.llmworker.engine;

import dev.llmworker.constraint.Constraint;
import dev.llmworker.constraint.ConstraintException;
import dev.llmworker.constraint.ConstraintState;
import dev.llmworker.constraint.Constraints;
import dev.llmworker.constraint.Expression;
import dev.llmworker.constraint.TokenTrie;
import dev.llmworker.engine.Sequence.FinishListener;
import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.ModelTokens;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.sampling.TokenHistory;
import dev.llmworker.text.Detokenizer;
import dev.llmworker.text.PromptTooLongException;
import dev.llmworker.text.Tokenizer;
import dev.llmworker.text.answer.ChatFormat;
import dev.llmworker.text.chat.PromptEncoder;
import dev.llmworker.text.chat.TemplateLimitException;
import dev.llmworker.text.tools.Tool;
import dev.llmworker.text.tools.ToolChoice;
import dev.llmworker.text.tools.ToolUse;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntFunction;
import java.util.function.LongSupplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Turns requests into sequences: encodes each prompt and checks the request against the model.
///
/// Threading: any thread.
final class Admissions {
    /// What compiled formats may take together.
    private static final long CONSTRAINT_BYTES = 128L << 20;

    private final LanguageModel model;
    private final Duration timeout;
    private final boolean sharesPrefixes;
    private final LongSupplier clock;
    private final TokenScorer scorer;
    private final int[] endTokens;
    private final Set<Integer> controlTokens;
    private final long[] notEnding;
    private volatile @Nullable Constraints constraints;
    private final AtomicLong ids = new AtomicLong();

    /// @param sharesPrefixes whether requests reuse cached prefixes of all others, whatever their salt
    Admissions(LanguageModel model, Duration timeout, boolean sharesPrefixes, LongSupplier clock) {
        this.model = model;
        this.sharesPrefixes = sharesPrefixes;
        this.timeout = timeout;
        this.clock = clock;
        var tokenizer = model.tokenizer();
        this.scorer = new TokenScorer(tokenizer);
        this.controlTokens = Set.copyOf(tokenizer.controlTokens().values());
        this.endTokens = IntStream.range(0, tokenizer.vocabularySize())
                .filter(tokenizer::isEndOfSequence)
                .toArray();
        var others = new BitSet();
        others.set(0, tokenizer.vocabularySize());
        IntStream.of(endTokens).forEach(others::clear);
        this.notEnding = Arrays.copyOf(others.toLongArray(), (tokenizer.vocabularySize() + 63) / 64);
    }

    /// A request that was checked against the model, and whose prompt is encoded.
    record Prepared(GenerationRequest request, PromptEncoder.Conversation conversation, Formats formats) {}

    /// What an answer must look like.
    ///
    /// @param first from its first token on; null if it is free there
    /// @param afterReasoning what follows the reasoning; null if it is free
    /// @param calls of calls, by their form; empty if the answer is not free until a call begins
    /// @param endOfReasoning the marker that ends it; null if the reasoning has no limit
    record Formats(
            @Nullable Expression first,
            @Nullable Expression afterReasoning,
            List<Expression> calls,
            @Nullable Expression endOfReasoning) {
        private static final Formats NONE = new Formats(null, null, List.of(), null);

        Stream<Expression> all() {
            var others = Stream.of(first, afterReasoning, endOfReasoning)
                    .filter(Objects::nonNull)
                    .map(Objects::requireNonNull);
            return Stream.concat(others, calls.stream());
        }
    }

    /// Encodes the prompt of a request. Nothing is compiled.
    ///
    /// @throws RefusedException if the model cannot serve the request
    Prepared prepare(GenerationRequest request) {
        var conversation =
                encode(request, model.prompts(), model.decoder().description().contextLength());
        check(request, conversation.ids().length);
        return new Prepared(request, conversation, formats(request, conversation.start()));
    }

    /// Whether [#sequence] has nothing to compile, and waits for nothing that is compiled for others.
    boolean isCompiled(Prepared prepared) {
        var known = constraints;
        return prepared.formats().all().allMatch(format -> known != null && known.has(format));
    }

    /// Compiles the formats of a request, if they are not compiled, and makes a sequence of it.
    ///
    /// @param submittedNanos the time from which its deadline counts
    /// @throws RefusedException if a format cannot be enforced
    Sequence sequence(Prepared prepared, long submittedNanos, WaitingQueue waiting, FinishListener listener) {
        var left = timeout.toNanos() - (clock.getAsLong() - submittedNanos);
        return sequence(admit(prepared, left), prepared.request(), waiting, listener);
    }

    /// Another answer to the prompt of `first`, until the same deadline.
    Sequence choice(GenerationRequest request, Sequence first, WaitingQueue waiting, FinishListener listener) {
        var left = first.deadlineNanos() - clock.getAsLong();
        var conversation = first.conversation();
        var prepared = new Prepared(request, conversation, formats(request, conversation.start()));
        return sequence(admit(prepared, left), request, waiting, listener);
    }

    private Sequence sequence(
            Admission admission, GenerationRequest request, WaitingQueue waiting, FinishListener listener) {
        // Each byte of an answer with a format counts, also a space at its start.
        var detokenizer = admission.constraint() == null
                ? detokenizer(request.prompt(), model.tokenizer())
                : Detokenizer.continuing(model.tokenizer());
        return new Sequence(admission, detokenizer, waiting, clock, listener);
    }

    /// The tokens that a request ends its answer with: by their ids, or by the name of a control token as a stop
    /// sequence. Control tokens have no text that a stop sequence could match.
    private Map<Integer, String> stopTokens(GenerationRequest request) {
        var ids = new HashMap<Integer, String>();
        request.stopTokens().forEach(id -> ids.put(id, ""));
        var control = model.tokenizer().controlTokens();
        for (var stop : request.stop()) {
            var id = control.get(stop);
            if (id != null) {
                ids.put(id, stop);
            }
        }
        return ids;
    }

    /// @throws RefusedException if the model cannot serve the request
    private void check(GenerationRequest request, int promptLength) {
        int context = model.decoder().description().contextLength();
        if (promptLength == 0) {
            throw invalid("prompt_empty", "prompt is empty");
        }
        int left = context - promptLength;
        if (left < 1) {
            throw tooLong("prompt is " + promptLength, context);
        }
        if (!request.cutsAtContext()
                && request.maxTokens().isPresent()
                && request.maxTokens().getAsInt() > left) {
            throw invalid(
                    "context_exceeded",
                    "max_tokens is " + request.maxTokens().getAsInt() + "; this model's context leaves " + left
                            + " after the prompt");
        }
        checkTokens("logit_bias", request.sampling().adjustment().bias().keySet());
        checkTokens("stop_token_ids", request.stopTokens());
    }

    private Admission admit(Prepared prepared, long timeoutNanos) {
        var request = prepared.request();
        var conversation = prepared.conversation();
        var prompt = conversation.ids();
        int left = model.decoder().description().contextLength() - prompt.length;
        var scored = request.sampling().logprobs().isPresent();
        var stopTokens = stopTokens(request);
        // With `ignoreEos` an end token does not end the answer, so none must be forbidden.
        var ends = request.ignoreEos()
                ? IntStream.empty()
                : Arrays.stream(endTokens).filter(id -> !stopTokens.containsKey(id));
        var forbidden = IntStream.concat(ends, stopTokens.keySet().stream().mapToInt(Integer::intValue))
                .toArray();
        var minTokens = forbidden.length == 0 ? 0 : request.minTokens();
        var answer = answer(prepared);
        var constraint = answer == null ? first(prepared) : answer.constraint();
        var free = answer == null ? null : answer.unconstrained();
        var plain = !scored
                && minTokens == 0
                && constraint == null
                && free == null
                && request.sampling().adjustment().isNone();
        var history = plain ? null : new TokenHistory(prompt, minTokens, forbidden);
        if (history != null && constraint != null) {
            var first = firstTokens(request, constraint);
            history.allow(() -> first);
        } else if (history != null) {
            history.allow(() -> free);
        }
        return new Admission(
                ids.incrementAndGet(),
                prompt,
                Math.min(request.tokenLimit(), left),
                request.ignoreEos(),
                request.sampling(),
                timeoutNanos,
                sharesPrefixes ? "" : request.cacheSalt(),
                request.share(),
                request.hold(),
                request.minTokens(),
                request.stop(),
                stopTokens,
                history,
                scored ? scorer : null,
                constraint,
                answer,
                conversation.start());
    }

    private Formats formats(GenerationRequest request, ChatFormat.Start start) {
        var asked = request.format() == null ? null : expression(request.format());
        var parts = request.parts();
        if (parts == null) {
            return asked == null ? Formats.NONE : new Formats(asked, null, List.of(), null);
        }
        var use = parts.tools();
        var format = model.prompts().format();
        try {
            var whole = format.answer(use, asked);
            return new Formats(
                    whole == null || start == ChatFormat.Start.REASONING ? null : format.begun(whole, start),
                    whole == null || !format.thinks() ? null : format.afterReasoning(whole),
                    whole == null ? format.calls(use) : List.of(),
                    parts.maxReasoningTokens().isPresent() && format.thinks() ? format.endOfReasoning() : null);
        } catch (IllegalArgumentException e) {
            throw invalid("invalid_request", "tools: " + e.getMessage());
        }
    }

    /// The answer in parts; null if it is one text.
    private @Nullable PartedAnswer answer(Prepared prepared) {
        var parts = prepared.request().parts();
        if (parts == null) {
            return null;
        }
        var format = model.prompts().format();
        var formats = prepared.formats();
        try {
            var rules = new PartedAnswer.Rules(
                    format,
                    compiled(formats.afterReasoning()),
                    formats.calls().stream().map(constraints()::get).toList(),
                    compiled(formats.endOfReasoning()),
                    parts.maxReasoningTokens().orElse(Integer.MAX_VALUE),
                    controlTokens,
                    notEnding);
            var first = compiled(formats.first());
            var start = prepared.conversation().start();
            var isConstrained = first != null || formats.afterReasoning() != null;
            return new PartedAnswer(
                    rules, format.parser(parts.tools(), start, isConstrained), first == null ? null : first.begin());
        } catch (ConstraintException e) {
            throw refused(prepared.request(), e);
        }
    }

    private @Nullable Constraint compiled(@Nullable Expression expression) {
        return expression == null ? null : constraints().get(expression);
    }

    /// What holds from the first token on.
    private @Nullable ConstraintState first(Prepared prepared) {
        try {
            var first = compiled(prepared.formats().first());
            return first == null ? null : first.begin();
        } catch (ConstraintException e) {
            var format = Objects.requireNonNull(prepared.request().format());
            throw invalid("invalid_request", format.field() + ": " + e.getMessage());
        }
    }

    private RefusedException refused(GenerationRequest request, ConstraintException problem) {
        return invalid("invalid_request", culprit(request) + ": " + problem.getMessage());
    }

    private long[] firstTokens(GenerationRequest request, ConstraintState constraint) {
        try {
            return constraint.mask();
        } catch (ConstraintException e) {
            throw refused(request, e);
        }
    }

    /// The field whose constraint cannot be enforced.
    private String culprit(GenerationRequest request) {
        var parts = request.parts();
        var tools = parts == null ? List.<Tool>of() : parts.tools().callable();
        var format = model.prompts().format();
        var faulty = constraints()
                .firstFaulty(tools.stream()
                        .map(tool -> new ToolUse(List.of(tool), ToolChoice.AUTO, false))
                        .map(use -> format.calls(use).getFirst())
                        .toList());
        if (faulty.isPresent()) {
            return "tools: the parameters of " + tools.get(faulty.getAsInt()).name();
        }
        return request.format() == null ? "tools" : request.format().field();
    }

    private static Expression expression(AnswerFormat format) {
        return switch (format) {
            case AnswerFormat.Json json -> new Expression.Json(json.schema());
            case AnswerFormat.Pattern pattern -> new Expression.Pattern(pattern.regex());
            case AnswerFormat.Choice choice -> Expression.choice(choice.options());
        };
    }

    /// Made for the first request that needs them: the tokens of a large vocabulary take a moment to sort.
    private synchronized Constraints constraints() {
        if (constraints == null) {
            var tokenizer = model.tokenizer();
            var controls = new BitSet();
            tokenizer.controlTokens().values().forEach(controls::set);
            var ends = Arrays.stream(endTokens).boxed().toList();
            var tokens = new TokenTrie(tokenizer.vocabularySize(), tokenizer::bytes, controls, ends);
            constraints = new Constraints(tokens, CONSTRAINT_BYTES);
        }
        return constraints;
    }

    private void checkTokens(String field, Collection<Integer> ids) {
        int tokens = model.decoder().description().vocabularySize();
        for (var id : ids) {
            if (id < 0 || id >= tokens) {
                throw invalid(
                        "invalid_request",
                        field + " has token " + id + "; this model's tokens are 0 to " + (tokens - 1));
            }
        }
    }

    private static PromptEncoder.Conversation encode(GenerationRequest request, PromptEncoder prompts, int context) {
        var parts = request.parts();
        return encode(
                request.prompt(), parts == null ? List.of() : parts.tools().offered(), prompts, context);
    }

    /// @param context must hold the prompt and one token more
    private static PromptEncoder.Conversation encode(
            Prompt prompt, List<Tool> tools, PromptEncoder prompts, int context) {
        try {
            return switch (prompt) {
                case Prompt.Chat(var messages, var variables) ->
                    prompts.encode(messages, tools, variables, context - 1);
                case Prompt.Raw(String text) ->
                    new PromptEncoder.Conversation(prompts.encodeRaw(text, context - 1), ChatFormat.Start.OPEN);
            };
        } catch (PromptTooLongException e) {
            throw tooLong("prompt is at least " + e.fewestTokens(), context);
        } catch (TemplateLimitException e) {
            throw invalid(e.isTooLong() ? "context_exceeded" : "template_limit", String.valueOf(e.getMessage()));
        } catch (IllegalArgumentException e) {
            throw invalid("invalid_prompt", String.valueOf(e.getMessage()));
        }
    }

    /// The tokens of a prompt, however long it is.
    int[] tokens(Prompt prompt, ModelTokens.Beginning beginning, List<Tool> tools) {
        return beginning == ModelTokens.Beginning.TEXT && prompt instanceof Prompt.Raw(var text)
                ? model.tokenizer().encodeWithControlTokens(text)
                : encode(prompt, tools, model.prompts(), Integer.MAX_VALUE).ids();
    }

    /// The tokens of a text whose vector is wanted.
    ///
    /// @param name what errors call it
    int[] textTokens(String name, String text) {
        return ofText(name, most -> model.prompts().encodeRaw(text, most));
    }

    /// The tokens of a query, before those of a document.
    int[] queryTokens(String instruction, String query) {
        var tokenizer = model.tokenizer();
        return ofText("query", most -> {
            check(instruction, most);
            check(query, most);
            return RerankPrompt.query(tokenizer, instruction, query);
        });
    }

    /// @param name what errors call it
    int[] documentTokens(String name, String document) {
        var tokenizer = model.tokenizer();
        return ofText(name, most -> {
            check(document, most);
            return RerankPrompt.document(tokenizer, document);
        });
    }

    /// Refuses a text that is certainly too long before it is encoded.
    private void check(String text, int mostTokens) {
        var fewest = text.length() > mostTokens ? model.tokenizer().fewestTokens(text) : 0;
        if (fewest > mostTokens) {
            throw new PromptTooLongException(fewest);
        }
    }

    private int[] ofText(String name, IntFunction<int[]> encoding) {
        var most = model.decoder().description().contextLength();
        try {
            return encoding.apply(most);
        } catch (PromptTooLongException e) {
            throw invalid(
                    "context_exceeded",
                    name + " is at least " + e.fewestTokens() + " tokens; this model takes at most " + most);
        } catch (IllegalArgumentException e) {
            throw invalid("invalid_prompt", name + ": " + e.getMessage());
        }
    }

    /// The text of some tokens, with the names of control tokens.
    String text(List<Integer> tokens) {
        var tokenizer = model.tokenizer();
        var bytes = new ByteArrayOutputStream(Math.toIntExact(textBytes(tokens)));
        var dropsSpace = tokenizer.addsLeadingSpace();
        for (var id : tokens) {
            var plain = tokenizer.bytes(id);
            var from = dropsSpace && plain.length > 0 && plain[0] == ' ' ? 1 : 0;
            dropsSpace = dropsSpace && plain.length == 0;
            var shown = shown(id);
            bytes.write(shown, from, shown.length - from);
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }

    /// How many bytes the text of some tokens has, or one more.
    long textBytes(List<Integer> tokens) {
        var size = model.tokenizer().vocabularySize();
        var bytes = 0L;
        for (var index = 0; index < tokens.size(); index++) {
            int id = tokens.get(index);
            if (id < 0 || id >= size) {
                throw invalid(
                        "invalid_request",
                        "tokens[" + index + "] is " + id + "; this model's tokens are 0 to " + (size - 1));
            }
            bytes += shown(id).length;
        }
        return bytes;
    }

    private byte[] shown(int id) {
        var plain = model.tokenizer().bytes(id);
        return plain.length == 0 ? scorer.bytes(id) : plain;
    }

    private static Detokenizer detokenizer(Prompt prompt, Tokenizer tokenizer) {
        return switch (prompt) {
            case Prompt.Chat _ -> new Detokenizer(tokenizer);
            case Prompt.Raw _ -> Detokenizer.continuing(tokenizer);
        };
    }

    private static RefusedException tooLong(String prompt, int context) {
        return invalid(
                "context_exceeded",
                prompt + " tokens; this model's context is " + context
                        + " tokens, which must hold the prompt and the answer");
    }

    private static RefusedException invalid(String code, String message) {
        return new RefusedException(RefusedException.Reason.INVALID, code, message);
    }
}
