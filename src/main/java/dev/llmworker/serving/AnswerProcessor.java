package dev.llmworker.serving;

import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The bean `answer`: gives a generated text the name in the variable `answerField`: the body
/// `{"generated_text": "…"}` becomes `{"summary": "…"}`.
final class AnswerProcessor implements Processor {
    private static final String VARIABLE = "answerField";

    @Override
    public void process(Exchange exchange) {
        var field = exchange.getVariable(VARIABLE, String.class);
        if (field == null) {
            throw new IllegalStateException("the bean answer needs the variable answerField; set it before");
        }
        if (!(exchange.getMessage().getBody() instanceof Map<?, ?> body)
                || !(body.get(GenerateProcessor.TEXT) instanceof String text)) {
            throw new IllegalStateException("the bean answer needs what the bean generate gives as its body");
        }
        exchange.getMessage().setBody(Map.of(field, text));
    }
}
