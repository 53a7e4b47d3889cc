package dev.llmworker.serving.openai;

import dev.llmworker.generation.Generator;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The bean `models`: the list, in OpenAI's form, of the one model that is loaded.
public final class ModelsProcessor implements Processor {
    private final ServedModel model;
    private final long createdSeconds;

    public ModelsProcessor(Generator generator, InstantSource clock) {
        model = new ServedModel(generator);
        createdSeconds = clock.instant().getEpochSecond();
    }

    @Override
    public void process(Exchange exchange) {
        var entry = Map.of("id", model.id(), "object", "model", "created", createdSeconds, "owned_by", "local");
        exchange.getMessage().setBody(Map.of("object", "list", "data", List.of(entry)));
    }
}
