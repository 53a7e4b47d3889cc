package dev.llmworker.serving.tools;

import dev.llmworker.generation.AnswerParts;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.HeldEvent;
import dev.llmworker.generation.HeldMemory;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.delivery.TimedAnswer;
import dev.llmworker.serving.delivery.WholeAnswer;
import dev.llmworker.serving.wire.AnswerException;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.chat.ToolChoice;
import dev.llmworker.text.chat.ToolUse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Generates an answer, runs the routes that it calls, and generates again with their results, until an answer calls
/// none of them.
///
/// @param memory counts the answers and the results that the next prompts have
/// @param calls runs the calls
/// @param isForClient whether a call is of a tool that only the client can run. Such a call ends the loop
/// @param maxRounds the most answers whose calls are run
/// @param timeout for all of it, from the first submission on
/// @param answers makes an answer that has this much time
/// @param generate runs one answer
public record ToolLoop(
        Supplier<Generations.Held> memory,
        ToolCalls calls,
        Predicate<String> isForClient,
        int maxRounds,
        Duration timeout,
        Function<Duration, TimedAnswer> answers,
        Generate generate) {
    public static final int DEFAULT_ROUNDS = 8;
    /// The most calls of one answer that are run: as many as a message in a request may have.
    static final int MAX_CALLS = 128;

    /// Runs one answer to its end.
    public interface Generate {
        /// @param isFirst whether it is the first answer of the request
        Ending run(GenerationRequest request, TimedAnswer answer, boolean isFirst) throws InterruptedException;
    }

    /// @param answer the last one, without the calls that the worker runs
    /// @param ending the last answer's, with the tokens of all
    public record Result(TimedAnswer answer, Ending ending) {}

    /// @throws AnswerException if the model still calls routes after `maxRounds`
    /// @throws RefusedException if there is no memory for the results
    public Result run(GenerationRequest request) throws InterruptedException {
        try (var held = memory.get()) {
            return run(request, held);
        }
    }

    private Result run(GenerationRequest request, HeldMemory held) throws InterruptedException {
        var endings = new ArrayList<Ending>();
        var next = request;
        @Nullable Long endNanos = null;
        for (var round = 0; ; round++) {
            var answer = answers.apply(endNanos == null ? timeout : left(endNanos));
            var ending = generate.run(next, answer, round == 0);
            endNanos = endNanos == null ? answer.beganNanos() + timeout.toNanos() : endNanos;
            var isLate = answer.isTimeUp() && ending.finished().reason() == FinishReason.CANCELLED;
            endings.add(isLate ? ending.as(FinishReason.TIMEOUT) : ending);
            var whole = answer.whole();
            if (ending.finished().reason() != FinishReason.TOOL_CALLS
                    || whole.calls().isEmpty()
                    || whole.calls().stream().anyMatch(call -> isForClient.test(call.name()))) {
                return result(answer, endings);
            }
            if (round >= maxRounds) {
                throw new AnswerException("the model still calls tools after " + maxRounds + " rounds of calls");
            }
            try {
                next = continued(next, whole, endNanos, held);
            } catch (TimeoutException _) {
                endings.add(
                        endings.removeLast().as(answer.isUnwanted() ? FinishReason.CANCELLED : FinishReason.TIMEOUT));
                return result(answer, endings);
            }
        }
    }

    private Result result(TimedAnswer answer, List<Ending> endings) {
        answer.whole().keepCalls(isForClient);
        return new Result(answer, Ending.ofRounds(endings));
    }

    private static Duration left(long endNanos) {
        return Duration.ofNanos(Math.max(1, endNanos - System.nanoTime()));
    }

    /// The request with an answer and the results of its calls.
    private GenerationRequest continued(GenerationRequest request, WholeAnswer answer, long endNanos, HeldMemory held)
            throws InterruptedException, TimeoutException {
        if (!(request.prompt() instanceof Prompt.Chat(var messages, var variables))) {
            throw new IllegalArgumentException("tools need a conversation, and the prompt is raw");
        }
        var longer = new ArrayList<>(messages);
        add(longer, ChatMessage.assistant(answer.text(), answer.reasoning(), answer.calls()), held);
        var run = 0;
        for (var call : answer.calls()) {
            var result = run++ < MAX_CALLS
                    ? calls.run(call, left(endNanos)).text()
                    : "Error: not run; the limit is " + MAX_CALLS + " calls at once.";
            add(longer, ChatMessage.toolResult(call.id(), call.name(), result), held);
        }
        return request.withPrompt(new Prompt.Chat(longer, variables)).withParts(free(request.parts()));
    }

    private static void add(List<ChatMessage> messages, ChatMessage message, HeldMemory held) {
        held.take(message.texts().mapToLong(HeldEvent::of).sum());
        messages.add(message);
    }

    /// A call that was required has been made.
    private static @Nullable AnswerParts free(@Nullable AnswerParts parts) {
        if (parts == null || !parts.tools().isRequired()) {
            return parts;
        }
        var tools = parts.tools();
        return new AnswerParts(
                new ToolUse(tools.tools(), ToolChoice.AUTO, tools.parallel()), parts.maxReasoningTokens());
    }
}
