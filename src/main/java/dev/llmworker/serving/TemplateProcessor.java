package dev.llmworker.serving;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The bean `template`: fills the text in the variable `template` with fields of the body, a `Map`: `{text}` becomes
/// the string in its field `text`, which must be there. The result is the body's field `prompt`; other fields stay, so
/// that a client may send `max_tokens` and the like.
final class TemplateProcessor implements Processor {
    private static final String VARIABLE = "template";
    private static final Pattern FIELD = Pattern.compile("\\{([A-Za-z_][A-Za-z0-9_]*)}");

    @Override
    public void process(Exchange exchange) {
        var template = exchange.getVariable(VARIABLE, String.class);
        if (template == null) {
            throw new IllegalStateException("the bean template needs the variable template; set it before");
        }
        if (!(exchange.getMessage().getBody() instanceof Map<?, ?> body)) {
            throw new IllegalStateException("the bean template needs a Map as its body; unmarshal it before");
        }
        var fields = new RequestFields(body);
        var filled = new LinkedHashMap<Object, Object>(body);
        filled.put(
                "prompt",
                FIELD.matcher(template).replaceAll(match -> Matcher.quoteReplacement(fields.text(match.group(1)))));
        exchange.getMessage().setBody(filled);
    }
}
