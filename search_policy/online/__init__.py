"""From offline to online: rounds of episodes with the actor that is trained, corrections by people, fading sensors."""
