package dev.llmworker.serving.beans;

import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The bean `answer`: gives a generated text the name in the variable `answerField`: the body
/// `{"generated_text": "…"}` of the bean `generate`, or the text of `llm:generate`, becomes `{"summary": "…"}`.
final class AnswerProcessor implements Processor {
    private static final String VARIABLE = "answerField";

    @Override
    public void process(Exchange exchange) {
        var field = exchange.getVariable(VARIABLE, String.class);
        if (field == null) {
            throw new IllegalStateException("the bean answer needs the variable answerField; set it before");
        }
        var body = exchange.getMessage().getBody();
        var answer = body instanceof Map<?, ?> fields ? fields.get(GenerateProcessor.TEXT) : body;
        if (!(answer instanceof String text)) {
            throw new IllegalStateException("the bean answer needs a generated text as its body");
        }
        exchange.getMessage().setBody(Map.of(field, text));
    }
}
