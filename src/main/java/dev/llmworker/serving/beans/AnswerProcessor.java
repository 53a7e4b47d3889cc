package dev.llmworker.serving.beans;

import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.jspecify.annotations.Nullable;

/// The bean `answer` gives a generated text a name: the body `{"generated_text": "…"}` of the bean `generate`, or the
/// text of `llm:generate`, becomes `{"summary": "…"}`. A step `bean` passes the name: `method: as(*, 'summary')`. Camel
/// then passes the body as it is. From `${body}` it would take quotes around the text away, and make `null` of the text
/// `null`. With a step `process` the name is in the variable `answerField`.
// Public, because Camel calls the method by its name.
public final class AnswerProcessor implements Processor {
    private static final String VARIABLE = "answerField";

    @Override
    public void process(Exchange exchange) {
        var field = exchange.getVariable(VARIABLE, String.class);
        if (field == null) {
            throw new IllegalStateException("the bean answer needs the variable answerField; set it before");
        }
        exchange.getMessage().setBody(as(exchange.getMessage().getBody(), field));
    }

    public Map<String, String> as(@Nullable Object body, String field) {
        var answer = body instanceof Map<?, ?> fields ? fields.get(GenerateProcessor.TEXT) : body;
        if (!(answer instanceof String text)) {
            throw new IllegalStateException("the bean answer needs a generated text as its body");
        }
        return Map.of(field, text);
    }
}
