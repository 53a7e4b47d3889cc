package dev.llmworker.serving.delivery;

import dev.llmworker.generation.Answer;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.OpenAiRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.Timings;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.stats.FinishedGeneration;

/// Timings one generation as its reader sees it. Where the engine measures too, its times hold: a slow client is not a
/// slow engine.
///
/// Threading: the reader's thread.
final class GenerationMeter {
    // As OpenTelemetry's conventions call them.
    private static final String CHAT = "chat";
    private static final String TEXT = "text_completion";

    private final String operation;
    private final String requestId;
    private final boolean countsPrompt;
    private final long beganNanos = System.nanoTime();
    private long firstTokenNanos = -1;
    private int wasted;

    private GenerationMeter(String operation, String requestId, boolean countsPrompt) {
        this.operation = operation;
        this.requestId = requestId;
        this.countsPrompt = countsPrompt;
    }

    /// @param countsPrompt whether the tokens of its prompt count with this answer, and not with another one
    static GenerationMeter of(GenerationRequest request, boolean countsPrompt) {
        var operation = switch (request.prompt()) {
            case Prompt.Chat _ -> CHAT;
            case Prompt.Raw _ -> TEXT;
        };
        return new GenerationMeter(operation, request.requestId(), countsPrompt);
    }

    static GenerationMeter of(OpenAiRequest request) {
        var operation = switch (request.form()) {
            case CHAT -> CHAT;
            case TEXT -> TEXT;
        };
        return new GenerationMeter(operation, request.requestId(), true);
    }

    /// @param operation OpenTelemetry's name for it
    static GenerationMeter of(String operation, String requestId) {
        return new GenerationMeter(operation, requestId, true);
    }

    String requestId() {
        return requestId;
    }

    /// A token was read.
    void token() {
        if (firstTokenNanos < 0) {
            firstTokenNanos = sinceBegan();
        }
    }

    /// A token was generated after the client had disconnected.
    void wasted() {
        wasted++;
    }

    /// The engine's own times if it measures, else those of the reader: a slow client is not a slow engine.
    Timings timings(Answer<?> answer) {
        var measured = answer.timings();
        return measured == null ? new Timings(answer.cachedTokens(), -1, firstTokenNanos, sinceBegan()) : measured;
    }

    FinishedGeneration finished(Ending ending) {
        var finished = ending.finished();
        var timings = ending.timings();
        return new FinishedGeneration(
                operation,
                ending.reason(),
                countsPrompt ? finished.promptTokens() : 0,
                finished.completionTokens(),
                countsPrompt ? timings.cachedTokens() : 0,
                wasted,
                timings.queuedNanos(),
                timings.firstTokenNanos(),
                timings.totalNanos());
    }

    /// What is counted of one whose end is not known.
    FinishedGeneration failed() {
        return FinishedGeneration.failed(operation, sinceBegan());
    }

    private long sinceBegan() {
        return System.nanoTime() - beganNanos;
    }
}
