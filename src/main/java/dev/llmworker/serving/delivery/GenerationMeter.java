package dev.llmworker.serving.delivery;

import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.OpenAiRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.stats.FinishedGeneration;
import java.util.Locale;

/// Measures one generation as its reader sees it. Where the engine measures too, its times hold: a slow client is not a
/// slow engine.
///
/// Threading: the reader's thread.
final class GenerationMeter {
    // As OpenTelemetry's conventions call them.
    private static final String CHAT = "chat";
    private static final String TEXT = "text_completion";

    private final String operation;
    private final String requestId;
    private final long beganNanos = System.nanoTime();
    private long firstTokenNanos = -1;
    private int wasted;

    private GenerationMeter(String operation, String requestId) {
        this.operation = operation;
        this.requestId = requestId;
    }

    static GenerationMeter of(GenerationRequest request) {
        var operation = switch (request.prompt()) {
            case Prompt.Chat _ -> CHAT;
            case Prompt.Raw _ -> TEXT;
        };
        return new GenerationMeter(operation, request.requestId());
    }

    static GenerationMeter of(OpenAiRequest request) {
        var operation = switch (request.form()) {
            case CHAT -> CHAT;
            case TEXT -> TEXT;
        };
        return new GenerationMeter(operation, request.requestId());
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

    /// A token was read that nobody wants.
    void wasted() {
        wasted++;
    }

    FinishedGeneration finished(Generation generation, GenerationEvent.Finished finished) {
        var measures = generation.measures();
        return new FinishedGeneration(
                operation,
                finished.reason().name().toLowerCase(Locale.ROOT),
                finished.promptTokens(),
                finished.completionTokens(),
                measures == null ? 0 : measures.cachedTokens(),
                wasted,
                measures == null ? -1 : measures.queuedNanos(),
                measures == null ? firstTokenNanos : measures.firstTokenNanos(),
                measures == null ? sinceBegan() : measures.totalNanos());
    }

    /// What is counted of one whose end is not known.
    FinishedGeneration failed() {
        return FinishedGeneration.failed(operation, sinceBegan());
    }

    private long sinceBegan() {
        return System.nanoTime() - beganNanos;
    }
}
