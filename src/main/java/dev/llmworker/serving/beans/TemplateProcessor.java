package dev.llmworker.serving.beans;

import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.UsesRegex;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The bean `template`: fills the text in the variable `template`: `{text}` becomes the variable `text` where the route
/// has set one, else the string in the field `text` of the body, a `Map`, which must be there. The result is the body's
/// field `prompt`, in the place of the fields that it took; other fields stay, so that a client may send `max_tokens`
/// and the like.
@UsesRegex("the text of a route")
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
        var filled = new LinkedHashMap<Object, Object>(body);
        var matcher = FIELD.matcher(template);
        filled.put("prompt", fill(template, exchange));
        // A field that is part of the prompt now is no option of the request.
        matcher.results()
                .map(match -> match.group(1))
                .filter(name -> !name.equals("prompt"))
                .forEach(filled::remove);
        exchange.getMessage().setBody(filled);
    }

    /// @throws RequestException if `template` names what is neither a variable nor a field of the body
    static String fill(String template, Exchange exchange) {
        var fields = new RequestFields(exchange.getMessage().getBody() instanceof Map<?, ?> body ? body : Map.of());
        return FIELD.matcher(template).replaceAll(match -> {
            var variable = exchange.getVariable(match.group(1), String.class);
            return Matcher.quoteReplacement(variable == null ? fields.text(match.group(1)) : variable);
        });
    }
}
