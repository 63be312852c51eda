"""From offline to online: rounds of episodes with the actor that is being trained, people's corrections, fading sensors."""
