package dev.llmworker.serving.request;

import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Readiness;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.util.Map;

/// The one model that requests may name.
public record ServedModel(Generator generator) {
    private static final String FIELD = "model";

    /// What clients call it.
    ///
    /// @throws RequestException while it loads, and when that has failed
    public String id() {
        return generator
                .modelId()
                .orElseThrow(() -> new RequestException(
                        switch (generator.readiness()) {
                            case Readiness.Failed(var reason) -> JsonError.of(503, "engine_failed", reason);
                            case Readiness.Loading(), Readiness.Ready() -> JsonError.loading();
                        }));
    }

    /// As [#id()], for a request that names this model, or none.
    ///
    /// @throws RequestException when it names another one
    public String id(Map<?, ?> body) {
        var named = new RequestFields(body).textOrNull(FIELD);
        return named == null ? id() : id(named);
    }

    /// As [#id()], for a request that names a model.
    ///
    /// @throws RequestException when it names another one
    public String id(String named) {
        var served = id();
        if (named.equals(served)) {
            return served;
        }
        throw new RequestException(new JsonError(
                404,
                "model_not_found",
                "model is \"" + RequestFields.shortened(named) + "\"; this worker serves \"" + served + "\"",
                0,
                FIELD));
    }
}
