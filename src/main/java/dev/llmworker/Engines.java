package dev.llmworker;

import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.stats.WorkerStats;

/// Makes what generates.
final class Engines {
    private Engines() {}

    /// Returns at once; an engine that has something to load does so on a thread of its own.
    static Generator start(Settings settings, WorkerStats stats) {
        return switch (settings.engine()) {
            case MOCK -> new MockGenerator();
            case DJL -> new Absent("ENGINE=djl is not in this build; ENGINE=mock is");
        };
    }

    /// An engine that can never serve.
    private record Absent(String reason) implements Generator {
        @Override
        public Generation submit(GenerationRequest request) {
            throw new RefusedException(RefusedException.Reason.FAILED, "engine_failed", reason);
        }

        @Override
        public Readiness readiness() {
            return new Readiness.Failed(reason);
        }

        @Override
        public void close() {}
    }
}
