package dev.llmworker.remote;

import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// A server's answer as tokens.
final class RemoteGeneration extends RemoteAnswer<GenerationEvent> implements Generation {
    RemoteGeneration(
            RemoteServers servers,
            RemoteGenerator.Lane lane,
            ApiRequest question,
            @Nullable String apiKey,
            Consumer<RemoteAnswer<GenerationEvent>> whenOver) {
        super(servers, lane, question, apiKey, finished -> finished, TokenReader::new, whenOver);
    }
}
